package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"intercom/board"
	"intercom/config"
	"intercom/mqttpush"
)

type checkCmd struct {
	Config string `arg:"--config,required" placeholder:"FILE" help:"the station's configuration"`
	JSON   bool   `arg:"--json" help:"one line of JSON: all findings, and the first that failed"`
	Sound  bool   `arg:"--sound" help:"also play a short sound and hear it back: level, noise floor, delay of the loop"`
}

// state is what became of a step.
type state string

const (
	stateOK      state = "ok"
	stateWarning state = "warning" // works, but hardly as meant
	stateFailed  state = "failed"
	stateSkipped state = "skipped" // what it needs failed, or there is nothing to look at
)

// finding is one thing that was looked at.
type finding struct {
	Step   string `json:"step"`
	State  state  `json:"state"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

// diagnosis looks at everything that a station needs, in the order in which
// one thing needs the other:
//
//	config ─┬─▶ state
//	        ├─▶ permissions ─┐
//	        ├─▶ card ────────┴─▶ sound ─▶ loop (with --sound)
//	        ├─▶ pins
//	        ├─▶ broker ──────┐
//	        ├─▶ keys ────────┴─▶ login ─▶ peer
//	        └─▶ clock
type diagnosis struct {
	machine
	path string // of the configuration
	loop bool   // --sound

	cfg      *config.Config
	profile  *board.Profile
	probe    mqttpush.Probe
	findings []finding
	bad      map[string]bool // steps that failed or were skipped
}

var steps = []struct {
	name  string
	needs []string
	run   func(*diagnosis, context.Context)
}{
	{"config", nil, (*diagnosis).config},
	{"state", []string{"config"}, (*diagnosis).state},
	{"permissions", []string{"config"}, (*diagnosis).permissions},
	{"card", []string{"config"}, (*diagnosis).card},
	{"sound", []string{"permissions", "card"}, (*diagnosis).sound},
	{"loop", []string{"sound"}, (*diagnosis).soundLoop},
	{"pins", []string{"config"}, (*diagnosis).pins},
	{"broker", []string{"config"}, (*diagnosis).broker},
	{"keys", []string{"config"}, (*diagnosis).keys},
	{"clock", []string{"config"}, (*diagnosis).clock},
	{"login", []string{"broker", "keys"}, (*diagnosis).login},
	{"peer", []string{"login"}, (*diagnosis).peer},
}

// Run prints what was found. It fails if a step did.
func (r checkCmd) Run(ctx context.Context, c console) error {
	d := diagnosis{machine: thisMachine(c.build.Time), path: r.Config, loop: r.Sound}
	return d.report(ctx, c.out, r.JSON)
}

func (d *diagnosis) report(ctx context.Context, w io.Writer, asJSON bool) error {
	d.diagnose(ctx)
	i := slices.IndexFunc(d.findings, func(f finding) bool { return f.State == stateFailed })
	var root *finding
	if i >= 0 {
		root = &d.findings[i]
	}
	if asJSON {
		err := json.NewEncoder(w).Encode(struct {
			OK       bool      `json:"ok"`
			Root     *finding  `json:"root,omitempty"`
			Findings []finding `json:"findings"`
		}{root == nil, root, d.findings})
		if err != nil {
			return err
		}
	} else if err := d.print(w, root); err != nil {
		return err
	}
	switch {
	case root == nil:
		return nil
	case root.Step == "config":
		return usageError{errors.New("check: the configuration is wrong")}
	}
	return fmt.Errorf("check: %s failed", root.Step)
}

// print writes the first failure on top, then all findings.
func (d *diagnosis) print(w io.Writer, root *finding) error {
	var b strings.Builder
	if root != nil {
		fmt.Fprintf(&b, "First to mend: %s: %s\n", root.Step, root.Detail)
		if root.Remedy != "" {
			fmt.Fprintf(&b, "  What to do: %s\n", root.Remedy)
		}
		b.WriteString("\n")
	}
	for i, f := range d.findings {
		step := f.Step
		if i > 0 && d.findings[i-1].Step == step {
			step = ""
		}
		fmt.Fprintf(&b, "%-8s %-12s %s\n", f.State, step, f.Detail)
		if f.Remedy != "" && (root == nil || f != *root) {
			fmt.Fprintf(&b, "%-8s %-12s   → %s\n", "", "", f.Remedy)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *diagnosis) diagnose(ctx context.Context) {
	d.bad = map[string]bool{}
	for _, s := range steps {
		if i := slices.IndexFunc(s.needs, func(n string) bool { return d.bad[n] }); i >= 0 {
			d.add(s.name, stateSkipped, "needs "+s.needs[i], "")
			continue
		}
		s.run(d, ctx)
	}
}

func (d *diagnosis) add(step string, s state, detail, remedy string) {
	d.findings = append(d.findings, finding{step, s, detail, remedy})
	if s == stateFailed || s == stateSkipped {
		d.bad[step] = true
	}
}

func (d *diagnosis) ok(step, format string, args ...any) {
	d.add(step, stateOK, fmt.Sprintf(format, args...), "")
}

// skip notes a step that has nothing to look at; what needs it is skipped too.
func (d *diagnosis) skip(step, format string, args ...any) {
	d.add(step, stateSkipped, fmt.Sprintf(format, args...), "")
}

// fail notes an error. In this program's errors the remedy is what follows the
// first semicolon.
func (d *diagnosis) fail(step string, err error) { d.note(step, stateFailed, err.Error()) }

func (d *diagnosis) warn(step, text string) { d.note(step, stateWarning, text) }

func (d *diagnosis) note(step string, s state, text string) {
	detail, remedy, _ := strings.Cut(text, "; ")
	d.add(step, s, detail, remedy)
}
