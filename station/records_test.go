package station

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/call"
	"intercom/internal/durable"
)

func testRecord(id string) call.Record {
	return call.Record{
		CallID: id, Role: call.RoleCallee, Peer: call.Address{Service: "home", User: "door", Device: "front", Session: "1"},
		Began: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Setup: time.Millisecond, Ring: time.Second,
		Disconnected: call.Disconnected{Reason: call.ReasonNoAnswer, Source: call.SourceCaller, ByRemote: true},
		Q850:         18, Stages: []call.Stage{{Name: "verify", At: 1}, {Name: "disconnected", At: 2}},
	}
}

func ids(rs []call.Record) string {
	var out []string
	for _, r := range rs {
		out = append(out, r.CallID)
	}
	return strings.Join(out, " ")
}

// TestRecords: the last ones are there again after a restart, whole.
func TestRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.json")
	r := openRecords(path, slog.New(slog.DiscardHandler))
	var want []call.Record
	for i := range maxRecords + 3 {
		rec := testRecord(fmt.Sprint(i))
		r.add(rec)
		want = append(want, rec)
	}
	want = want[3:]
	if diff := cmp.Diff(want, r.last()); diff != "" {
		t.Errorf("in memory (-want +got):\n%s", diff)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = openRecords(path, slog.New(slog.DiscardHandler))
	defer r.Close()
	if diff := cmp.Diff(want, r.last()); diff != "" || r.fault() != "" {
		t.Errorf("after a restart: fault %q (-want +got):\n%s", r.fault(), diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
}

// TestRecordsWrites: a file is not written more often than it may, and none
// of the calls is forgotten by that.
func TestRecordsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := openRecords(filepath.Join(t.TempDir(), "records.json"), slog.New(slog.DiscardHandler))
		var got []string
		began := time.Now()
		r.write = func(path string, data []byte, perm fs.FileMode) error {
			got = append(got, time.Since(began).String())
			return durable.Replace(path, data, perm)
		}
		add := func(id string) { r.add(testRecord(id)); synctest.Wait() }
		add("1")
		add("2")
		add("3")
		time.Sleep(time.Hour)
		synctest.Wait()
		add("4")
		add("5")
		if err := r.Close(); err != nil { // does not wait
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"0s", "2s", "1h0m0s", "1h0m0s"}, got); diff != "" {
			t.Errorf("written at (-want +got):\n%s", diff)
		}
		list, err := loadRecords(r.path)
		if ids(list) != "1 2 3 4 5" || err != nil {
			t.Errorf("got %s, %v", ids(list), err)
		}
	})
}

// TestRecordsDamaged cuts the file at each byte: all or nothing is read, and
// the next call is kept in any case.
func TestRecordsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.json")
	r := openRecords(path, slog.New(slog.DiscardHandler))
	r.add(testRecord("old"))
	r.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Its last two bytes are the closing brace and the line's end.
	for n := range len(whole) - 1 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := loadRecords(path)
		if err == nil || !strings.Contains(err.Error(), path) || len(list) != 0 {
			t.Fatalf("cut at %d: %v, %d records", n, err, len(list))
		}
	}
	for what, text := range map[string]string{
		"is of version 2": `{"version":2,"records":[]}`,
		"is larger than":  strings.Repeat(" ", maxRecordsFile) + "{}",
		"is damaged":      `{"version":1,"records":{}}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := openRecords(path, slog.New(slog.DiscardHandler))
		if f := r.fault(); !strings.Contains(f, what) {
			t.Errorf("want %q, fault %q", what, f)
		}
		r.add(testRecord("new"))
		r.Close()
		if list, err := loadRecords(path); ids(list) != "new" || err != nil {
			t.Errorf("%q: then %s, %v", what, ids(list), err)
		}
	}
}

// TestRecordsNoDisk: without a place on disk they stay in memory, which is
// said once, and are stored when there is place again.
func TestRecordsNoDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &syncBuffer{}
		r := openRecords(filepath.Join(t.TempDir(), "records.json"), slog.New(slog.NewTextHandler(log, nil)))
		r.write = func(string, []byte, fs.FileMode) error { return syscall.ENOSPC }
		if r.last() == nil {
			t.Error("no calls are nil, which JSON calls null")
		}
		for i := range 3 {
			r.add(testRecord(fmt.Sprint(i)))
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if got := strings.Count(log.String(), "level=WARN"); got != 1 || !strings.Contains(r.fault(), syscall.ENOSPC.Error()) {
			t.Errorf("%d warnings, fault %q", got, r.fault())
		}
		r.write = durable.Replace
		r.add(testRecord("3"))
		r.Close()
		list, err := loadRecords(r.path)
		if ids(list) != "0 1 2 3" || err != nil || r.fault() != "" {
			t.Errorf("got %s, %v, fault %q", ids(list), err, r.fault())
		}
	})
}

// TestRecordsUnreadable: an error of the disk is told with the file's name.
func TestRecordsUnreadable(t *testing.T) {
	dir := t.TempDir()
	if _, err := loadRecords(dir); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a folder in its place: %v", err)
	}
}

// FuzzRecords: whatever stands in the file, no more than the last calls come of it.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"version":1,"records":[{"call":"1","role":"callee","disconnected":{"reason":"noAnswer"},"stages":[{"name":"make","at_ns":1}]}]}`))
	f.Add([]byte(`{"version":1,"records":[` + strings.Repeat("{},", 20) + `{}]}`))
	path := filepath.Join(f.TempDir(), "records.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := loadRecords(path); len(list) > maxRecords || err != nil && list != nil {
			t.Errorf("%d records, %v", len(list), err)
		}
	})
}
