"""A double of Aurora DSQL: a real PostgreSQL behind a proxy that enforces DSQL's rules.

=================  ======================================================================  ===========
module             duty                                                                    kind
=================  ======================================================================  ===========
`refusals`         what DSQL refuses: SQLSTATE, message, source                            pure
`wire`             frames of PostgreSQL's protocol, built and read                         pure
`statements`       one judged statement: kind, refusal, what it needs of the catalogue     pure
`grammar`          SQL text → parse trees, with DSQL's own syntax taken out                pure
`rules_tables`     what DSQL refuses of tables, columns, indexes, sequences                pure
`rules_locks`      what DSQL refuses of locking clauses                                    pure
`dialect`          SQL text → judged statements, cached                                    pure
`catalogue`        keys and indexes of a database's tables                                 pure
`transaction`      rows, bytes and age of one transaction; conflicts                       pure
`sizes`            what is too large of the parameters a write brings                      pure
`admission`        token bucket, cap, faults of opening                                    pure
`token`            IAM tokens: signature, expiry, action                                   pure
`statistics`       counters                                                                pure
`settings`         all that can be set, at start and on command                            pure
`shared`           what all sessions share                                                 pure
`awaited`          which answers PostgreSQL owes, and to whom                              pure
`block`            the transaction block of one session: the client's or ours              pure
`exchange`         PostgreSQL's side of a session                                          pure
`steps`            what a session does with a judged statement, by either protocol         pure
`queries`          the simple protocol: a query's statements, one after the other          pure
`session`          the client's side, the extended protocol: bytes in, bytes out           pure
`tls`              TLS over memory                                                         pure
`bootstrap`        the `sys` schema and the `admin` role, as SQL                           pure
`manager`          the double's own queries: catalogue, roles, databases                   acts
`connections`      bytes between client, session and PostgreSQL                            acts
`entrance`         a client's way in: TLS, start-up, admission, token                      acts
`proxy`            listens; stalls, cuts and expires clients                               acts
`control`          the control endpoint (HTTP)                                             acts
`client`           a client of the control endpoint                                        acts
`server`           puts PostgreSQL, proxy and control together                             acts
=================  ======================================================================  ===========

Pure modules import no acting one; `session` asks for what it needs (a catalogue, a closed connection) by flags that
`connections` reads. `python -m auroral.local.double --directory D` runs it.
"""
