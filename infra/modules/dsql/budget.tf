# The sums of `auroral capacity plan` (src/auroral/capacity/budget.py), which explains them.
locals {
  # Of one process: up to 4 connections more while its pool replaces, 2 of the stores that Temporal opens while it
  # starts (docs/server.md, "The keeper" and "Whose pool").
  keeper_extra  = 4
  startup_extra = 2

  connection_terms = [for state in local.states : merge(state, { terms = concat(
    [for term in state.terms : merge(term, { each = var.services[term.service].pool_size + var.services[term.service].reservoir })],
    [
      { service = "", label = "while replacing", count = sum(concat([0], state.terms[*].count)), each = local.keeper_extra },
      { service = "", label = "while starting", count = sum(concat([0], state.terms[*].count)), each = local.startup_extra },
      { service = "", label = "operators", count = 1, each = var.operators.connections },
    ],
  ) })]
  rate_terms = [for state in local.states : merge(state, { terms = concat(
    [for term in state.terms : merge(term, { each = var.services[term.service].rate_per_s })],
    [{ service = "", label = "operators", count = 1, each = var.operators.rate_per_s }],
  ) })]
  burst_terms = [for state in local.states : merge(state, { terms = concat(
    [for term in state.terms : merge(term, { each = var.services[term.service].burst })],
    [{ service = "", label = "operators", count = 1, each = var.operators.burst }],
  ) })]

  connection_sums = [for sum in local.sums : sum if sum.kind == "connections"]
  rate_sums       = [for sum in local.sums : sum if sum.kind == "rate"]
  burst_sums      = [for sum in local.sums : sum if sum.kind == "burst"]

  totals = flatten([for kind, states in {
    connections = local.connection_terms, rate = local.rate_terms, burst = local.burst_terms
    } : [for state in states : {
      kind  = kind
      name  = "${kind}-${state.name}"
      title = state.title
      terms = state.terms
      # To a millionth: products of decimal fractions are not exact.
      total = floor(sum([for term in state.terms : term.count * term.each]) * 1000000 + 0.5) / 1000000
  }]])

  sums = [for sum in local.totals : merge(sum, {
    text = "${join(" + ", [
      for term in sum.terms : "${term.count == 1 ? "" : "${term.count} × "}${replace(format("%.2f", term.each), "/\\.?0+$/", "")} ${term.label}"
    ])} = ${replace(format("%.2f", sum.total), "/\\.?0+$/", "")}"
  })]
}
