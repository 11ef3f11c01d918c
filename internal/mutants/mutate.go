package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mutant is one breakage. Its name is the same from run to run while the code
// around it is: the key in equivalent.txt.
type mutant struct {
	id   int
	name string // file function/case: what `source`
	at   string // file:line
}

// edit inserts text at an offset, over del bytes that are there.
type edit struct {
	at   int
	del  int
	text string
	end  bool // closes what an edit before it opened
	seq  int
}

// file is a source file that is being instrumented.
type file struct {
	name  string // base
	src   []byte
	fset  *token.FileSet
	edits []edit
	stack []ast.Node
	into  *plan
}

// plan is what the mutants of one package are.
type plan struct {
	mutants   []mutant
	names     map[string]int
	constants map[string]constant
	used      map[int]bool // mutants of constants that a function uses
}

// all are the mutants; constants that no function of these files uses have none.
func (p *plan) all() []mutant {
	unused := map[int]bool{}
	for _, c := range p.constants {
		unused[c.up], unused[c.down] = !p.used[c.up], !p.used[c.down]
	}
	return slices.DeleteFunc(slices.Clone(p.mutants), func(m mutant) bool { return unused[m.id] })
}

// constant is a named duration or number: two mutants, at every use of it.
type constant struct {
	duration bool
	up, down int
}

// source parses a file.
func (p *plan) source(path string, src []byte) (*file, *ast.File, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
	return &file{name: filepath.Base(path), src: src, fset: fset, into: p}, tree, err
}

// declare notes the constants of a file; in all files, before instrument.
func (p *plan) declare(path string, src []byte, numbers bool) error {
	f, tree, err := p.source(path, src)
	if err != nil {
		return err
	}
	for _, d := range tree.Decls {
		if g, ok := d.(*ast.GenDecl); ok {
			f.declare(g, numbers)
		}
	}
	return nil
}

// instrument gives src with every mutant of its functions behind a switch.
func (p *plan) instrument(path string, src []byte) ([]byte, error) {
	f, tree, err := p.source(path, src)
	if err != nil {
		return nil, err
	}
	for _, d := range tree.Decls {
		if d, ok := d.(*ast.FuncDecl); ok && d.Body != nil {
			f.function(d)
		}
	}
	return f.apply(), nil
}

// apply carries out the edits. At one offset, what ends comes before what
// begins; what began last ends first.
func (f *file) apply() []byte {
	slices.SortStableFunc(f.edits, func(a, b edit) int {
		switch {
		case a.at != b.at:
			return a.at - b.at
		case a.end != b.end && a.end:
			return -1
		case a.end != b.end:
			return 1
		case a.end:
			return b.seq - a.seq
		}
		return a.seq - b.seq
	})
	var out bytes.Buffer
	last := 0
	for _, e := range f.edits {
		out.Write(f.src[last:e.at])
		out.WriteString(e.text)
		last = e.at + e.del
	}
	out.Write(f.src[last:])
	return out.Bytes()
}

func (f *file) offset(p token.Pos) int { return f.fset.Position(p).Offset }

func (f *file) text(n ast.Node) string { return string(f.src[f.offset(n.Pos()):f.offset(n.End())]) }

// around puts text before and after a node.
func (f *file) around(n ast.Node, before, after string) {
	f.edits = append(f.edits, edit{at: f.offset(n.Pos()), text: before, seq: len(f.edits)})
	f.edits = append(f.edits, edit{at: f.offset(n.End()), text: after, end: true, seq: len(f.edits)})
}

var spaces = regexp.MustCompile(`\s+`)

func squeeze(s string, n int) string {
	s = strings.TrimSpace(spaces.ReplaceAllString(s, " "))
	if len(s) > n {
		s = s[:n] + "..."
	}
	return s
}

// mutant registers one and gives its number.
func (f *file) mutant(what string, n ast.Node) int {
	var where []string
	for _, s := range f.stack {
		switch s := s.(type) {
		case *ast.FuncDecl:
			where = append(where, s.Name.Name)
		case *ast.CaseClause:
			label := "default"
			if len(s.List) > 0 {
				label = squeeze(string(f.src[f.offset(s.List[0].Pos()):f.offset(s.Colon)]), 40)
			}
			where = append(where, label)
		}
	}
	name := fmt.Sprintf("%s %s: %s `%s`", f.name, strings.Join(where, "/"), what, squeeze(f.text(n), 90))
	f.into.names[name]++
	if i := f.into.names[name]; i > 1 {
		name += fmt.Sprintf(" #%d", i)
	}
	id := len(f.into.mutants) + 1
	f.into.mutants = append(f.into.mutants, mutant{id, name, fmt.Sprintf("%s:%d", f.name, f.fset.Position(n.Pos()).Line)})
	return id
}

// function instruments a body, node by node, each knowing those around it.
func (f *file) function(d *ast.FuncDecl) {
	f.stack = []ast.Node{}
	ast.Inspect(d, func(n ast.Node) bool {
		if n == nil {
			f.stack = f.stack[:len(f.stack)-1]
			return true
		}
		switch n.(type) {
		case *ast.FuncType, *ast.FieldList, *ast.TypeSpec:
			return false
		}
		f.node(n)
		f.stack = append(f.stack, n)
		return true
	})
	if d.Type.Results != nil {
		if l := d.Body.List; len(l) == 0 || !isReturn(l[len(l)-1]) {
			at := f.offset(d.Body.Rbrace)
			f.edits = append(f.edits, edit{at: at, text: `; panic("mutant: no return") `, end: true, seq: -1})
		}
	}
}

func isReturn(s ast.Stmt) bool { _, ok := s.(*ast.ReturnStmt); return ok }

func (f *file) parent() ast.Node {
	if len(f.stack) == 0 {
		return nil
	}
	return f.stack[len(f.stack)-1]
}

func (f *file) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE && f.inList(n) {
			f.delete(n)
			if len(n.Rhs) > 1 {
				for _, r := range n.Rhs {
					if isZero(r) {
						continue
					}
					f.around(r, fmt.Sprintf("mutantZero(%d, ", f.mutant("zero", r)), ")")
				}
			}
		}
	case *ast.IncDecStmt:
		if f.inList(n) {
			f.delete(n)
		}
	case *ast.ExprStmt:
		if f.inList(n) {
			f.delete(n)
		}
	case *ast.ReturnStmt:
		f.returns(n)
	case *ast.IfStmt:
		f.around(n.Cond, fmt.Sprintf("mutant(%d) != (", f.mutant("negate", n.Cond)), ")")
	case *ast.SwitchStmt:
		f.cases(n)
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.KeyValueExpr:
		f.field(n)
	case *ast.Ident:
		f.swap(n)
		f.use(n)
	}
}

// inList: a statement of its own, not one in the head of an if or for.
func (f *file) inList(s ast.Stmt) bool {
	switch p := f.parent().(type) {
	case *ast.BlockStmt:
		return slices.Contains(p.List, s)
	case *ast.CaseClause:
		return slices.Contains(p.Body, s)
	}
	return false
}

func (f *file) delete(s ast.Stmt) {
	f.around(s, fmt.Sprintf("if !mutant(%d) { ", f.mutant("delete", s)), " }")
}

// returns: a return that is not a function's last is left out; a literal bool
// is turned round.
func (f *file) returns(s *ast.ReturnStmt) {
	for _, r := range s.Results {
		if id, ok := r.(*ast.Ident); ok && (id.Name == "true" || id.Name == "false") {
			f.around(r, fmt.Sprintf("mutant(%d) != ", f.mutant("turn round, of "+f.before(s), s)), "")
		}
	}
	if body := f.body(); body[len(body)-1] != ast.Stmt(s) && f.inList(s) {
		what := "do not"
		if len(s.Results) == 0 || isBool(s.Results) {
			what += ", of " + f.before(s)
		}
		f.around(s, fmt.Sprintf("if !mutant(%d) { ", f.mutant(what, s)), " }")
	}
}

// body is that of the nearest function around.
func (f *file) body() []ast.Stmt {
	for i := len(f.stack) - 1; i > 0; i-- {
		if l, ok := f.stack[i].(*ast.FuncLit); ok {
			return l.Body.List
		}
	}
	return f.stack[0].(*ast.FuncDecl).Body.List
}

func isBool(r []ast.Expr) bool {
	id, ok := r[len(r)-1].(*ast.Ident)
	return ok && (id.Name == "true" || id.Name == "false")
}

// before says after what a bare return comes, to give it a name that lasts.
func (f *file) before(s ast.Stmt) string {
	var list []ast.Stmt
	switch p := f.parent().(type) {
	case *ast.BlockStmt:
		list = p.List
	case *ast.CaseClause:
		list = p.Body
	}
	if i := slices.Index(list, s); i > 0 {
		return "..." + lastWords(squeeze(f.text(list[i-1]), 1000))
	}
	if len(f.stack) > 1 {
		if i, ok := f.stack[len(f.stack)-2].(*ast.IfStmt); ok {
			return "if " + squeeze(f.text(i.Cond), 60)
		}
	}
	return "the block"
}

func lastWords(s string) string {
	if len(s) > 50 {
		s = s[len(s)-50:]
	}
	return strings.ReplaceAll(s, "`", "'")
}

// cases of a switch: one of several values, or the only one, is not meant.
func (f *file) cases(s *ast.SwitchStmt) {
	clauses := s.Body.List
	for i, c := range clauses {
		c := c.(*ast.CaseClause)
		for j, v := range c.List {
			if s.Tag == nil {
				f.around(v, fmt.Sprintf("mutant(%d) != (", f.mutant("negate case", v)), ")")
				continue
			}
			var other ast.Expr
			switch {
			case len(c.List) > 1:
				other = c.List[(j+1)%len(c.List)]
			case i > 0 && len(clauses[i-1].(*ast.CaseClause).List) > 0:
				other = clauses[i-1].(*ast.CaseClause).List[0]
			case i+1 < len(clauses) && len(clauses[i+1].(*ast.CaseClause).List) > 0:
				other = clauses[i+1].(*ast.CaseClause).List[0]
			default:
				continue
			}
			f.around(v, fmt.Sprintf("mutantPick(%d, ", f.mutant("not this case", v)), ", "+f.text(other)+")")
		}
	}
}

var turned = map[token.Token]bool{token.LSS: true, token.LEQ: true, token.GTR: true, token.GEQ: true}

// binary: an operand of && or || is left out; a bound is moved by one.
func (f *file) binary(n *ast.BinaryExpr) {
	switch {
	case n.Op == token.LAND:
		for _, x := range []ast.Expr{n.X, n.Y} {
			f.around(x, fmt.Sprintf("(mutant(%d) || (", f.mutant("without", x)), "))")
		}
	case n.Op == token.LOR:
		for _, x := range []ast.Expr{n.X, n.Y} {
			f.around(x, fmt.Sprintf("(!mutant(%d) && (", f.mutant("without", x)), "))")
		}
	case turned[n.Op]:
		f.around(n, fmt.Sprintf("mutantCompare(%d, %q, ", f.mutant("move the bound", n), n.Op), ")")
		f.edits = append(f.edits, edit{at: f.offset(n.OpPos), del: len(n.Op.String()), text: ",", end: true, seq: len(f.edits)})
	}
}

// field of a composite literal: left out.
func (f *file) field(n *ast.KeyValueExpr) {
	if _, ok := n.Key.(*ast.Ident); !ok {
		return
	}
	if isZero(n.Value) {
		return
	}
	f.around(n.Value, fmt.Sprintf("mutantZero(%d, ", f.mutant("zero", n)), ")")
}

// isZero: taking the zero value for it would change nothing. Numbers count as
// such: their type can not be seen from here.
func isZero(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "false"
	case *ast.BasicLit:
		return e.Kind == token.INT || e.Value == `""`
	}
	return false
}

var swaps = map[*regexp.Regexp]string{
	regexp.MustCompile(`^Reason[A-Z]`):          "ReasonCellCall",
	regexp.MustCompile(`^Source[A-Z]`):          "SourceApplication",
	regexp.MustCompile(`^Type[A-Z]`):            "TypeUnknown",
	regexp.MustCompile(`^path(Any|Both|Data)$`): "pathMQTT",
	regexp.MustCompile(`^pathMQTT$`):            "pathData",
	regexp.MustCompile(`^State[A-Z]`):           "StateIdle",
	regexp.MustCompile(`^timer[A-Z]`):           "timerForget",
	regexp.MustCompile(`^op[A-Z][a-z]`):         "opCandidate",
}

// swap puts another value for a name of the model, where it is used as a value:
// comparisons and cases have their own mutants.
func (f *file) swap(n *ast.Ident) {
	other := ""
	for re, to := range swaps {
		if re.MatchString(n.Name) && n.Name != to {
			other = to
		}
	}
	if other == "" {
		return
	}
	switch p := f.parent().(type) {
	case *ast.BinaryExpr, *ast.SelectorExpr, *ast.Field, *ast.ValueSpec, *ast.TypeAssertExpr, *ast.CompositeLit, *ast.StarExpr:
		return
	case *ast.CaseClause:
		return
	case *ast.KeyValueExpr:
		if p.Key == n {
			return
		}
	}
	f.around(n, fmt.Sprintf("mutantPick(%d, ", f.mutant("as "+other, n)), ", "+other+")")
}

// declare finds the constants of a file: a duration is doubled and halved, and,
// where numbers is set, a number is one more and one less.
func (f *file) declare(d *ast.GenDecl, numbers bool) {
	if d.Tok != token.CONST {
		return
	}
	for _, s := range d.Specs {
		v := s.(*ast.ValueSpec)
		if len(v.Names) != 1 || len(v.Values) != 1 || v.Type != nil {
			continue
		}
		c := constant{duration: f.isDuration(v.Values[0])}
		switch {
		case c.duration:
			c.up, c.down = f.mutant("double", v), f.mutant("halve", v)
		case numbers && f.isNumber(v.Values[0]):
			c.up, c.down = f.mutant("one more", v), f.mutant("one less", v)
		default:
			continue
		}
		f.into.constants[v.Names[0].Name] = c
	}
}

// use puts a switch around each use of such a constant.
func (f *file) use(n *ast.Ident) {
	c, ok := f.into.constants[n.Name]
	if !ok {
		return
	}
	if p, ok := f.parent().(*ast.KeyValueExpr); ok && p.Key == n {
		return
	}
	if _, ok := f.parent().(*ast.SelectorExpr); ok { // a field of that name
		return
	}
	f.into.used[c.up], f.into.used[c.down] = true, true
	name := "mutantShift"
	if c.duration {
		name = "mutantScale"
	}
	f.around(n, fmt.Sprintf("%s(%d, %d, ", name, c.up, c.down), ")")
}

func (f *file) isNumber(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Kind == token.INT
	case *ast.CallExpr:
		id, ok := e.Fun.(*ast.Ident)
		return ok && id.Name == "int"
	}
	return false
}

func (f *file) isDuration(e ast.Expr) bool {
	is := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			return false // converted to something else
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" {
				is = true
			}
		case *ast.Ident:
			is = is || f.into.constants[n.Name].duration
		}
		return true
	})
	return is
}

// support is the file that the instrumented package gets besides.
const support = `package %s

import (
	"cmp"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

var (
	mutantChosen = mutantNumber()
	mutantSeen   [%d + 1]atomic.Bool
	mutantLog    = os.Getenv("MUTANT_REACHED")
)

func mutantNumber() int { n, _ := strconv.Atoi(os.Getenv("MUTANT")); return n }

func mutant(id int) bool {
	if mutantLog != "" && !mutantSeen[id].Swap(true) {
		if f, err := os.OpenFile(mutantLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			f.WriteString(strconv.Itoa(id) + "\n")
			f.Close()
		}
	}
	return id == mutantChosen
}

func mutantPick[T any](id int, v, other T) T {
	if mutant(id) {
		return other
	}
	return v
}

func mutantZero[T any](id int, v T) (zero T) {
	if mutant(id) {
		return zero
	}
	return v
}

func mutantCompare[T cmp.Ordered](id int, op string, a, b T) bool {
	if mutant(id) {
		op = map[string]string{"<": "<=", "<=": "<", ">": ">=", ">=": ">"}[op]
	}
	switch op {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

func mutantScale(up, down int, d time.Duration) time.Duration {
	if mutant(up) {
		return 2 * d
	}
	if mutant(down) {
		return d / 2
	}
	return d
}

func mutantShift(up, down int, n int) int {
	if mutant(up) {
		return n + 1
	}
	if mutant(down) {
		return n - 1
	}
	return n
}
`
