// Package archtest holds the parts of this module to the import table: which part may know of which.
// It has tests only, reads source text only, and so needs no other part to compile.
package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// parts is the import table. A part is a top-level folder with all that is below it; it may import itself,
// anything in internal/, and the parts listed. Files of tests may import anything.
var parts = map[string][]string{
	"alsa":     {},
	"audio":    {},
	"board":    {"alsa", "gpio"},
	"broker":   {"identity"},
	"call":     {},
	"cmd":      {"alsa", "audio", "board", "broker", "call", "config", "gpio", "identity", "mqttpush", "rtc", "station", "watchdog", "web"},
	"config":   {},
	"gpio":     {},
	"identity": {},
	"internal": {},
	"lab":      {"alsa", "audio", "board", "call", "config", "gpio", "identity", "station"},
	"mqttpush": {"call", "identity"},
	"rtc":      {"call"},
	"station":  {"alsa", "audio", "board", "broker", "call", "config", "gpio", "identity", "mqttpush", "rtc", "watchdog"},
	"watchdog": {},
	"web":      {"call"},
}

// testOnly are the parts below internal/ that no program may hold, and what each may import beyond the table.
var testOnly = map[string][]string{
	"internal/netlab":    {},
	"internal/testhouse": {"identity"},
}

// standardOnly are the parts that import no other module: the call model knows no MQTT, ALSA, GPIO or WebRTC library.
var standardOnly = []string{"call"}

func TestImports(t *testing.T) {
	tree := os.DirFS("..")
	got, err := violations(tree, moduleName(t, tree))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range got {
		t.Error(v)
	}
}

// TestViolations shows the checker a tree with each kind of fault, so that a silent checker fails.
func TestViolations(t *testing.T) {
	file := func(imports ...string) *fstest.MapFile {
		src := "package x\n"
		for _, i := range imports {
			src += fmt.Sprintf("import %q\n", i)
		}
		return &fstest.MapFile{Data: []byte(src)}
	}
	tests := []struct {
		name string
		tree fstest.MapFS
		want []string
	}{
		{"allowed", fstest.MapFS{
			"mqttpush/a.go":           file("fmt", "m/call", "m/identity", "m/internal/b", "github.com/x/mqtt"),
			"board/sim/a.go":          file("m/board", "m/alsa", "m/gpio", "m/gpio/gpiotest"),
			"audio/audiotest/a.go":    file("m/audio"),
			"cmd/intercom/a.go":       file("m/station", "m/web"),
			"call/a_test.go":          file("m/rtc", "github.com/x/mqtt"),
			"new/a_test.go":           file("m/rtc"),
			"call/testdata/a.go":      file("m/rtc"),
			".cache/a.go":             file("m/rtc"),
			"buildroot/tools/go.mod":  {},
			"buildroot/tools/main.go": file("m/rtc"),
			"docs/call.md":            {},
		}, nil},
		{"adapters know one another", fstest.MapFS{"rtc/a.go": file("m/mqttpush")},
			[]string{"rtc/a.go: rtc may not import m/mqttpush"}},
		{"from a folder below", fstest.MapFS{"audio/audiotest/deep/a_linux.go": file("m/alsa/ring")},
			[]string{"audio/audiotest/deep/a_linux.go: audio may not import m/alsa/ring"}},
		{"around the table, through internal", fstest.MapFS{"internal/x/a.go": file("m/rtc")},
			[]string{"internal/x/a.go: internal may not import m/rtc"}},
		{"what tests share", fstest.MapFS{
			"internal/testhouse/a.go": file("m/identity", "m/rtc"), "internal/x/a.go": file("m/identity"), "cmd/a.go": file("m/internal/testhouse")},
			[]string{"cmd/a.go: m/internal/testhouse is for tests only", "internal/testhouse/a.go: internal may not import m/rtc",
				"internal/x/a.go: internal may not import m/identity"}},
		{"the command", fstest.MapFS{"station/a.go": file("m/cmd/intercom", "m/web")},
			[]string{"station/a.go: station may not import m/cmd/intercom", "station/a.go: station may not import m/web"}},
		{"a library in the call model", fstest.MapFS{"call/a.go": file("time", "github.com/x/mqtt")},
			[]string{"call/a.go: call may import the standard library only, not github.com/x/mqtt"}},
		{"a new folder", fstest.MapFS{"util/a.go": file("fmt")},
			[]string{"util/a.go: util is not in the import table (archtest/imports_test.go): add it, with what it may import"}},
		{"the root", fstest.MapFS{"a.go": file("fmt")},
			[]string{"a.go: . is not in the import table (archtest/imports_test.go): add it, with what it may import"}},
		{"a name that only starts like the module", fstest.MapFS{"rtc/a.go": file("mm/mqttpush", "m")},
			[]string{"rtc/a.go: rtc may not import m"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := violations(tt.tree, "m")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTable refuses a row that names no part, and a circle between parts: the compiler sees circles of packages only.
func TestTable(t *testing.T) {
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		for _, imp := range parts[part] {
			if _, ok := parts[imp]; !ok {
				t.Errorf("%s: %s is not a part", part, imp)
			}
		}
		if reachable(parts[part])[part] {
			t.Errorf("%s may import itself through other parts", part)
		}
	}
}

// reachable returns the parts given and all that the table lets them import, directly or through others.
func reachable(from []string) map[string]bool {
	seen := map[string]bool{}
	for todo := slices.Clone(from); len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if !seen[part] {
			seen[part] = true
			todo = append(todo, parts[part]...)
		}
	}
	return seen
}

// violations reads the imports of every file that is not a test, for whatever system it is built, and returns
// one line for each that the table forbids, in the order of the files.
func violations(tree fs.FS, module string) ([]string, error) {
	var found []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name != "." && notOurs(tree, name) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		imports, err := importsOf(tree, name)
		if err != nil {
			return err
		}
		part, below, _ := strings.Cut(name, "/")
		if below == "" {
			part = "."
		}
		may, ok := parts[part]
		may = slices.Concat(may, testOnly[path.Dir(name)])
		if !ok {
			found = append(found, fmt.Sprintf("%s: %s is not in the import table (archtest/imports_test.go): add it, with what it may import", name, part))
			return nil
		}
		for _, imp := range imports {
			if imp != module && !strings.HasPrefix(imp, module+"/") {
				if slices.Contains(standardOnly, part) && !standard(imp) {
					found = append(found, fmt.Sprintf("%s: %s may import the standard library only, not %s", name, part, imp))
				}
				continue
			}
			ours := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
			if _, only := testOnly[ours]; only {
				found = append(found, fmt.Sprintf("%s: %s is for tests only", name, imp))
				continue
			}
			to, _, _ := strings.Cut(ours, "/")
			if to != part && to != "internal" && !slices.Contains(may, to) {
				found = append(found, fmt.Sprintf("%s: %s may not import %s", name, part, imp))
			}
		}
		return nil
	})
	return found, err
}

// notOurs tells whether the go command, too, would leave a folder out: hidden, test data, another module.
func notOurs(tree fs.FS, dir string) bool {
	base := path.Base(dir)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	return err == nil
}

// standard tells whether an import path is of the standard library: its first element has no dot.
func standard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

func importsOf(tree fs.FS, name string) ([]string, error) {
	src, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		imports = append(imports, imp)
	}
	return imports, nil
}

func moduleName(t *testing.T, tree fs.FS) string {
	t.Helper()
	mod, err := fs.ReadFile(tree, "go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(name)
		}
	}
	t.Fatal("go.mod names no module")
	return ""
}

// TestDependenciesExplained: a library that the module requires directly has its line in docs/dependencies.md.
func TestDependenciesExplained(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := 0
	for line := range strings.Lines(string(mod)) {
		f := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(f) != 2 || !strings.HasPrefix(f[1], "v") { // "path version // indirect" has four
			continue
		}
		direct++
		if !strings.Contains(string(doc), "| "+f[0]+" |") {
			t.Errorf("docs/dependencies.md has no line for %s: say what it is for, and why it and not another", f[0])
		}
	}
	if direct == 0 {
		t.Error("go.mod: found no direct requirement; is the file written in another way?")
	}
}
