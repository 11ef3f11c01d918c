package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	tracing   = "/sys/kernel/tracing/"
	countTime = 2 * time.Second
	period    = 10 * time.Millisecond // of a station's card
)

// syscallNames are those that a station in a call uses: include/uapi/asm-generic/unistd.h.
var syscallNames = map[int]string{
	22: "epoll_pwait", 29: "ioctl", 63: "read", 64: "write", 73: "ppoll", 98: "futex", 101: "nanosleep", 113: "clock_gettime", 115: "clock_nanosleep",
	124: "sched_yield", 172: "getpid", 208: "setsockopt", 278: "getrandom", 131: "tgkill", 139: "rt_sigreturn", 206: "sendto", 207: "recvfrom", 211: "sendmsg", 212: "recvmsg",
	233: "madvise", 243: "recvmmsg", 269: "sendmmsg",
}

var sysEnter = regexp.MustCompile(`sys_enter: NR (-?[0-9]+)`)

// countSyscalls counts the system calls of a station for a while, by the kernel's own trace, and gives them for each
// period. total is without nanosleep: that is the Go runtime's own watch over its threads, which comes and goes.
func (m *member) countSyscalls() (total float64, table string, err error) {
	if err := mount("tracefs", strings.TrimSuffix(tracing, "/")); err != nil {
		return 0, "", err
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", m.cmd.Process.Pid))
	if err != nil {
		return 0, "", err
	}
	var ids []string
	for _, t := range threads {
		ids = append(ids, filepath.Base(t))
	}
	for _, w := range []struct{ file, value string }{
		{"options/event-fork", "1"}, // threads that are made meanwhile, too
		{"set_event_pid", strings.Join(ids, " ")},
		{"buffer_size_kb", "8192"},
		{"events/raw_syscalls/sys_enter/enable", "1"},
		{"events/raw_syscalls/sys_enter/enable", "0"},
	} {
		if err := os.WriteFile(tracing+w.file, []byte(w.value), 0); err != nil {
			return 0, "", err
		}
		if strings.HasSuffix(w.file, "/enable") && w.value == "1" {
			time.Sleep(countTime)
		}
	}
	trace, err := os.ReadFile(tracing + "trace")
	if err != nil {
		return 0, "", err
	}
	count := map[string]int{}
	for _, found := range sysEnter.FindAllSubmatch(trace, -1) {
		nr, err := strconv.Atoi(string(found[1]))
		if err != nil {
			return 0, "", err
		}
		name := syscallNames[nr]
		if name == "" {
			name = fmt.Sprint("number ", nr)
		}
		count[name]++
	}
	var rows []string
	periods := float64(countTime / period)
	for _, name := range slices.Sorted(maps.Keys(count)) {
		n := float64(count[name]) / periods
		if name != "nanosleep" {
			total += n
		}
		rows = append(rows, fmt.Sprintf("%s %.2f", name, n))
	}
	return total, strings.Join(rows, ", "), nil
}
