package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// demoCase is a house on simulated boards: what the program costs without real sound cards.
func demoCase(g *guest) error {
	var out, said bytes.Buffer
	cmd := exec.Command("/bin/intercom", "demo", "--once", "--json")
	cmd.Env = []string{"HOME=/tmp", "TMPDIR=/tmp"}
	cmd.Stdout, cmd.Stderr = &out, &said
	code, err := exitCode(cmd)
	if err != nil {
		return err
	}
	g.keep("demo.json", out.Bytes())
	var result struct {
		OK bool `json:"ok"`
	}
	err = json.Unmarshal(out.Bytes(), &result)
	g.check("demo --once", err == nil && result.OK && code == 0, "%s%s", strings.TrimSpace(out.String()), strings.TrimSpace(said.String()))
	stat, _ := os.ReadFile("/proc/stat")
	g.keep("stat.txt", stat)
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	g.report.Marks["demo_cpu"] = float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	return nil
}
