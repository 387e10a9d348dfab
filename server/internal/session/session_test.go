package session

import "github.com/jackc/pgx/v5/stdlib"

var _ Conn = (*stdlib.Conn)(nil)
