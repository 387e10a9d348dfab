# Temporal goes on with the number that the cluster first started with; a plan with another one says so.
resource "terraform_data" "history_shards" {
  input = var.history_shards

  lifecycle {
    ignore_changes = [input]

    postcondition {
      condition     = self.output == var.history_shards
      error_message = "Expected history_shards ${self.output}, with which this cluster was made, got ${var.history_shards}: shards cannot be changed afterwards. Set history_shards to ${self.output}, or make another cluster and move workflows there."
    }
  }
}
