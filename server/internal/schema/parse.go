package schema

import (
	"fmt"
	"strings"
)

// Parse reads the statements of a schema file. It knows the forms that Temporal's schema uses and refuses all others by name.
func Parse(text string) ([]Statement, error) {
	split, err := splitStatements(text)
	if err != nil {
		return nil, err
	}
	var statements []Statement
	for _, tokens := range split {
		p := &parser{tokens: tokens}
		parsed, err := p.statement()
		if err == nil && p.at < len(p.tokens) {
			err = fmt.Errorf("expected the end of the statement, found %q", p.tokens[p.at])
		}
		if err != nil {
			return nil, fmt.Errorf("%w, in: %s", err, excerpt(write(tokens)))
		}
		statements = append(statements, parsed...)
	}
	return statements, nil
}

type parser struct {
	tokens []token
	at     int
}

func (p *parser) peek() token {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *parser) next() token {
	t := p.peek()
	p.at++
	return t
}

// take steps over the words if they come next.
func (p *parser) take(words ...string) bool {
	for i, word := range words {
		if p.at+i >= len(p.tokens) || !p.tokens[p.at+i].is(word) {
			return false
		}
	}
	p.at += len(words)
	return true
}

func (p *parser) expect(words ...string) error {
	if !p.take(words...) {
		return fmt.Errorf("expected %s, found %q", strings.Join(words, " "), p.peek())
	}
	return nil
}

// name reads an identifier, folded to lower case as PostgreSQL does.
func (p *parser) name() (string, error) {
	t := p.peek()
	if t == "" || !isWordByte(t[0]) {
		return "", fmt.Errorf("expected a name, found %q", t)
	}
	p.at++
	return strings.ToLower(string(t)), nil
}

// bracketed reads from an opening bracket to the one that closes it.
func (p *parser) bracketed() ([]token, error) {
	start, depth := p.at, 0
	for p.at < len(p.tokens) {
		switch p.next() {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 {
			return p.tokens[start:p.at], nil
		}
	}
	return nil, fmt.Errorf("a bracket does not close")
}

// names reads a bracketed list of names.
func (p *parser) names() ([]string, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var names []string
	for {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		if p.take(")") {
			return names, nil
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
}

func (p *parser) statement() ([]Statement, error) {
	switch {
	case p.take("CREATE", "TABLE"):
		return one(p.createTable())
	case p.take("CREATE", "UNIQUE", "INDEX"):
		return one(p.createIndex(true))
	case p.take("CREATE", "INDEX"):
		return one(p.createIndex(false))
	case p.take("ALTER", "TABLE"):
		return p.alterTable()
	case p.take("DROP", "TABLE"):
		name, err := p.name()
		return []Statement{DropTable{name}}, err
	case p.take("INSERT", "INTO"):
		name, err := p.name()
		rest := p.tokens[min(p.at, len(p.tokens)):]
		p.at = len(p.tokens)
		return []Statement{Insert{Table: name, rest: rest}}, err
	}
	return nil, fmt.Errorf("expected CREATE TABLE, CREATE INDEX, ALTER TABLE, DROP TABLE or INSERT INTO, found %q; "+
		"a new form in Temporal's schema needs a rule in rules.go", p.peek())
}

func one[S Statement](s S, err error) ([]Statement, error) { return []Statement{s}, err }

func (p *parser) createTable() (CreateTable, error) {
	table := CreateTable{IfNotExists: p.take("IF", "NOT", "EXISTS")}
	var err error
	if table.Name, err = p.name(); err != nil {
		return table, err
	}
	if err := p.expect("("); err != nil {
		return table, err
	}
	for {
		if err := p.tableElement(&table); err != nil {
			return table, err
		}
		if p.take(")") {
			return table, nil
		}
		if err := p.expect(","); err != nil {
			return table, err
		}
	}
}

func (p *parser) tableElement(table *CreateTable) error {
	var constraint Constraint
	var err error
	named := p.take("CONSTRAINT")
	if named {
		if constraint.Name, err = p.name(); err != nil {
			return err
		}
	}
	switch {
	case p.take("PRIMARY", "KEY"):
		constraint.Kind = "PRIMARY KEY"
	case p.peek().is("UNIQUE"):
		p.next()
		constraint.Kind = "UNIQUE"
	case p.take("CHECK"):
		constraint.Kind = "CHECK"
		tokens, err := p.bracketed()
		constraint.Check = write(tokens)
		table.Constraints = append(table.Constraints, constraint)
		return err
	default:
		if named {
			return fmt.Errorf("expected PRIMARY KEY, UNIQUE or CHECK, found %q", p.peek())
		}
		column, err := p.column()
		table.Columns = append(table.Columns, column)
		return err
	}
	constraint.Columns, err = p.names()
	table.Constraints = append(table.Constraints, constraint)
	return err
}

// column reads a name, a type and the constraints beside it.
func (p *parser) column() (Column, error) {
	var column Column
	var err error
	if column.Name, err = p.name(); err != nil {
		return column, err
	}
	kind, err := p.name()
	if err != nil {
		return column, err
	}
	column.Type = strings.ToUpper(kind)
	if p.peek() == "(" {
		size, err := p.bracketed()
		if err != nil {
			return column, err
		}
		column.Type += write(size)
	}
	for {
		switch {
		case p.take("NOT", "NULL"):
			column.NotNull = true
		case p.take("NULL"):
		case p.take("PRIMARY", "KEY"):
			column.Key = true
		case p.take("UNIQUE"):
			column.Unique = true
		case p.take("DEFAULT"):
			if column.Default, err = p.expression(); err != nil {
				return column, err
			}
		default:
			if next := p.peek(); next != "" && next != "," && next != ")" {
				return column, fmt.Errorf("expected NOT NULL, PRIMARY KEY, UNIQUE or DEFAULT beside column %s, found %q", column.Name, next)
			}
			return column, nil
		}
	}
}

// expression reads a literal or a function call.
func (p *parser) expression() (string, error) {
	sign := ""
	if p.take("-") {
		sign = "-"
	}
	t := p.next()
	if t == "" || t == "," || t == ")" {
		return "", fmt.Errorf("expected a value, found %q", t)
	}
	text := sign + string(t)
	if p.peek() == "(" {
		arguments, err := p.bracketed()
		if err != nil {
			return "", err
		}
		text += write(arguments)
	}
	return text, nil
}

func (p *parser) createIndex(unique bool) (CreateIndex, error) {
	index := CreateIndex{Unique: unique}
	var err error
	if index.Name, err = p.name(); err != nil {
		return index, err
	}
	if err = p.expect("ON"); err != nil {
		return index, err
	}
	if index.Table, err = p.name(); err != nil {
		return index, err
	}
	if p.take("USING") {
		if method, err := p.name(); err != nil || method != "btree" {
			return index, fmt.Errorf("expected a btree index, found %q: DSQL has no other", method)
		}
	}
	if err = p.expect("("); err != nil {
		return index, err
	}
	for {
		name, err := p.name()
		if err != nil {
			return index, err
		}
		index.Columns = append(index.Columns, name)
		// The order only speeds a scan in that direction; DSQL takes none.
		if !p.take("ASC") {
			p.take("DESC")
		}
		if p.take(")") {
			return index, nil
		}
		if err := p.expect(","); err != nil {
			return index, err
		}
	}
}

func (p *parser) alterTable() ([]Statement, error) {
	table, err := p.name()
	if err != nil {
		return nil, err
	}
	var actions []Statement
	for {
		action, err := p.alterAction(table)
		if err != nil {
			return nil, err
		}
		actions = append(actions, action)
		if !p.take(",") {
			return actions, nil
		}
	}
}

func (p *parser) alterAction(table string) (Statement, error) {
	switch {
	case p.take("ADD", "CONSTRAINT"), p.take("ADD", "PRIMARY"), p.take("ADD", "UNIQUE"), p.take("ADD", "CHECK"):
		return nil, fmt.Errorf("a constraint added to an existing table: DSQL takes none but NOT VALID; decide how and write a rule in rules.go")
	case p.take("ADD"):
		p.take("COLUMN")
		column, err := p.column()
		return AddColumn{table, column}, err
	case p.take("DROP", "CONSTRAINT"):
		return nil, fmt.Errorf("a constraint dropped from table %s: decide how and write a rule in rules.go", table)
	case p.take("DROP"):
		p.take("COLUMN")
		name, err := p.name()
		return DropColumn{table, name}, err
	case p.take("ALTER"):
		p.take("COLUMN")
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		switch {
		case p.take("SET", "DEFAULT"):
			expression, err := p.expression()
			return SetDefault{table, name, expression}, err
		case p.take("DROP", "DEFAULT"):
			return SetDefault{table, name, ""}, nil
		case p.take("TYPE"):
			column, err := (&parser{tokens: append([]token{token(name)}, p.tokens[p.at:]...)}).column()
			p.at = len(p.tokens)
			return SetType{table, name, column.Type}, err
		}
	}
	return nil, fmt.Errorf("ALTER TABLE %s has an action without a rule, at %q; write one in rules.go", table, p.peek())
}
