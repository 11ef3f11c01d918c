package call

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestModelPage: each test that docs/call-model.md names exists, a subtest as
// a string in the test's body; and the page leaves out no reason, event or
// parameter.
func TestModelPage(t *testing.T) {
	page, err := os.ReadFile("../docs/call-model.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]map[string][]string{} // by folder and test: the strings in it
	named := 0
	for _, m := range regexp.MustCompile("`(?:([a-z/]+)\\.)?((?:Test|Fuzz)[A-Z]\\w*)(?:/([^`]+))?`").FindAllStringSubmatch(string(page), -1) {
		folder, name, sub := m[1], m[2], m[3]
		if folder == "" {
			folder = "call"
		}
		if tests[folder] == nil {
			tests[folder] = testsOf(t, filepath.Join("..", folder))
		}
		named++
		texts, ok := tests[folder][name]
		if !ok {
			t.Errorf("%s.%s does not exist", folder, name)
		} else if sub != "" && !slices.Contains(texts, sub) {
			t.Errorf("%s.%s has no subtest %q", folder, name, sub)
		}
	}
	if named < 100 {
		t.Errorf("only %d tests are named", named)
	}
	var words []string
	words = append(words, reasonNames[:]...)
	words = append(words, startNames[:]...)
	for _, of := range []any{Handler{}, MyMediaHandler{}, GroupHandler{}, BackgroundHandler{}, MakeCallParam{}, VerifyCallParam{}} {
		for f := range reflect.TypeOf(of).Fields() {
			words = append(words, f.Name)
		}
	}
	for _, w := range words {
		if !regexp.MustCompile(`\b` + w + `\b`).Match(page) {
			t.Errorf("%s is not on the page", w)
		}
	}
}

// testsOf gives the strings in each test of a folder.
func testsOf(t *testing.T, folder string) map[string][]string {
	t.Helper()
	tests := map[string][]string{}
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Test") && !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			texts := []string{}
			ast.Inspect(fn, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
					if s, err := strconv.Unquote(l.Value); err == nil {
						texts = append(texts, s)
					}
				}
				return true
			})
			tests[fn.Name.Name] = texts
		}
	}
	return tests
}
