// Package exchange is what the host and the virtual board say to one another: the host puts a Spec into the
// board's initial file system, and the board answers with a tar file that it writes by semihosting.
package exchange

import "time"

// Names of files: the spec in the board, and what comes back in the tar file.
const (
	SpecFile   = "spec.json"
	ReportFile = "report.json" // a Report; a board that did not come to its end has none
	OutputFile = "output.txt"  // what a Go test binary printed
)

// TarFile is where the board's answer goes, in the folder in which QEMU runs.
const TarFile = "board.tar"

// ExitDone is the code with which QEMU ends when the board came to its end. It is not 0, because a board
// that was reset or crashed ends QEMU with 0.
const ExitDone = 42

// DriftEvery is how long after one another the voices of the drift case begin.
const DriftEvery = 5 * time.Second

// Spec says what the board is to do.
type Spec struct {
	Case     string            `json:"case"`              // which of the guest's cases
	Args     []string          `json:"args"`              // of a test binary
	Env      []string          `json:"env"`               // of a test binary, "NAME=value"
	Deadline time.Duration     `json:"deadline"`          // virtual time after which the board gives up
	Cards    []string          `json:"cards"`             // ids of the loopback cards, in the order of their index
	Options  map[string]string `json:"options,omitempty"` // of the case
}

// Check is one thing that was found as it should be, or not.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // what was measured; what was wrong

	Figure *Figure `json:"figure,omitempty"` // of a check that has a limit
}

// Figure is what was measured, and the most that it may be.
type Figure struct {
	Got   float64 `json:"got"`
	Limit float64 `json:"limit"`
	Unit  string  `json:"unit,omitempty"`
}

// Milliseconds is the figure of a time.
func Milliseconds(got, limit time.Duration) Figure {
	return Figure{got.Seconds() * 1000, limit.Seconds() * 1000, "ms"}
}

// OK reports whether it is within its limit.
func (f Figure) OK() bool { return f.Got <= f.Limit }

// Change is one level of a line of the board, as the outside sees it.
type Change struct {
	At     time.Duration `json:"at"` // CLOCK_MONOTONIC of the board
	Line   string        `json:"line"`
	Active bool          `json:"active"`
}

// Report is what the board found.
type Report struct {
	Checks []Check            `json:"checks"`
	Marks  map[string]float64 `json:"marks,omitempty"` // what was measured, by name; times are seconds of the board
	Exit   int                `json:"exit"`            // of a test binary
}
