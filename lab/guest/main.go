// Command guest is the first process of the virtual board. It inserts the modules, plays the world around
// the board (presses, lamps seen, the air between loudspeaker and microphone), runs one case, sends what it
// found to the host, and ends the emulator.
package main

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"intercom/lab/exchange"
)

// cases are what a spec may ask for.
var cases = map[string]func(*guest) error{
	"boot":     bootCase,
	"gotest":   goTestCase,
	"call":     callCase,
	"drift":    driftCase,
	"kill":     killCase,
	"unplug":   unplugCase,
	"tools":    toolsCase,
	"demo":     demoCase,
	"shell":    shellCase,
	"watchdog": watchdogCase,
}

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: runs only as the first process of the virtual board; use make test-board")
		os.Exit(2)
	}
	// The world must find a place to run Go code, also while another thread has one and not the processor.
	runtime.GOMAXPROCS(16)
	debug.SetGCPercent(-1) // nor may it wait for the collector: the board's memory is enough for a case
	g := &guest{files: map[string][]byte{}, report: exchange.Report{Marks: map[string]float64{}}}
	err := g.run()
	if err == nil {
		err = g.send()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		exitHost(1)
	}
	exitHost(exchange.ExitDone)
}

// guest is one boot of the board.
type guest struct {
	spec   exchange.Spec
	report exchange.Report
	files  map[string][]byte
	names  []string // of files, in their order
}

func (g *guest) run() error {
	if err := mountAll(); err != nil {
		return err
	}
	if err := openNetwork(); err != nil {
		return err
	}
	data, err := os.ReadFile("/" + exchange.SpecFile)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &g.spec); err != nil {
		return fmt.Errorf("%s: %w", exchange.SpecFile, err)
	}
	run, ok := cases[g.spec.Case]
	if !ok {
		return fmt.Errorf("no case %q", g.spec.Case)
	}
	// A case that hangs ends here, with what was found so far.
	time.AfterFunc(g.spec.Deadline, func() {
		fmt.Fprintf(os.Stderr, "guest: case %s did not end in %v of virtual time\n", g.spec.Case, g.spec.Deadline)
		debug.SetTraceback("all")
		panic("deadline")
	})
	if err := run(g); err != nil {
		g.check("case", false, "%v", err)
	}
	return nil
}

// check notes one finding.
func (g *guest) check(name string, ok bool, format string, args ...any) {
	g.report.Checks = append(g.report.Checks, exchange.Check{Name: name, OK: ok, Detail: fmt.Sprintf(format, args...)})
}

// measure notes one that has a limit, and may want something else too.
func (g *guest) measure(name string, f exchange.Figure, also bool, format string, args ...any) {
	g.report.Checks = append(g.report.Checks, exchange.Check{Name: name, OK: also && f.OK(), Detail: fmt.Sprintf(format, args...), Figure: &f})
}

// keep sends a file to the host at the end.
func (g *guest) keep(name string, data []byte) {
	if _, ok := g.files[name]; !ok {
		g.names = append(g.names, name)
	}
	g.files[name] = data
}

func (g *guest) send() error {
	data, err := json.MarshalIndent(g.report, "", "  ")
	if err != nil {
		return err
	}
	g.keep(exchange.ReportFile, append(data, '\n'))
	f, err := createHostFile(exchange.TarFile)
	if err != nil {
		return err
	}
	t := tar.NewWriter(f)
	for _, name := range g.names {
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(g.files[name]))}); err != nil {
			return err
		}
		if _, err := t.Write(g.files[name]); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return f.Close()
}
