package call

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// journal is the folder in which the processes of a device keep their calls,
// so that a call can change hands and outlive its process:
//
//	<call id>.call   one call (entry.go). Its owner holds the file's lock.
//	<random>.sock    a living process, which can be asked for its calls (owner.go)
//	owners           a byte for each call that a living process has (ringsonce.go)
//	lock             held, for some milliseconds, by who changes or reads the folder
//	*.tmp            on its way to be a .call
//
// A file is replaced, never changed: written beside, synced, locked, renamed,
// the folder synced (but see promise). So at every moment, also of a power cut, the folder holds
// the old or the new; and the lock of a .call is free only when its owner has
// died, or has let go of it.
type journal struct {
	dir    string
	owners *owners
	sock   *ownerSocket // nil: none could be made
	clock  func() (boot string, now time.Duration, err error)
	sync   func(*os.File) error
	dial   func(network, address string, timeout time.Duration) (net.Conn, error)

	turn chan struct{} // holds one of this process, and guards what follows; the folder's lock is for the others
	lock *os.File
	held map[string]*os.File // own entries, locked, by call id
}

const (
	suffixCall = ".call"
	suffixTmp  = ".tmp"
	suffixSock = ".sock"

	maxEntries = 64                  // of a folder
	keepEntry  = 2 * DefaultRingTime // after its ring: for a clear answer to a late adopter
	lockWait   = time.Second
	lockRetry  = 5 * time.Millisecond
)

// newJournal opens a folder, and makes it if need be.
func newJournal(dir string) (*journal, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("call: journal: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("call: journal: make the folder: %w; give one that this user may write, or none", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("call: journal: %w", err)
	}
	if !ownedByMe(info) || info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("call: journal %s: the folder (mode %v) can be written by other users, who could take calls: chmod 700, and let the user of this process own it", dir, info.Mode().Perm())
	}
	lock, err := openIn(dir, "lock")
	if err != nil {
		return nil, err
	}
	own, err := openIn(dir, "owners")
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &journal{dir: dir, owners: &owners{f: own}, clock: bootTime, sync: (*os.File).Sync, dial: net.DialTimeout, turn: make(chan struct{}, 1), lock: lock, held: map[string]*os.File{}}, nil
}

// openIn opens a file of the folder that is there to be locked, and makes it if need be.
func openIn(dir, name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|openFlags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("call: journal: %w; give a folder that this user may write, or none", err)
	}
	return f, nil
}

// locked runs f while no other process reads or changes the folder.
func (j *journal) locked(f func(boot string, now time.Duration) error) error {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	boot, now, err := j.clock()
	if err != nil {
		return fmt.Errorf("call: journal: read the time since boot: %w", err)
	}
	for t := time.Duration(0); ; t += lockRetry {
		if err = lockFile(j.lock); err == nil {
			break
		}
		if t >= lockWait {
			return fmt.Errorf("call: journal %s: another process has held it for %v: %w", j.dir, lockWait, err)
		}
		time.Sleep(lockRetry)
	}
	err = f(boot, now)
	return errors.Join(err, unlockFile(j.lock))
}

// put keeps an entry; left is what remains of its ring. The word that a call was
// adopted takes the place of what its last owner left, and nobody owns it. given:
// another process was granted the call since; what that one has put there stays.
func (j *journal) put(e entry, left time.Duration, given func() bool) error {
	return j.locked(func(boot string, now time.Duration) error {
		if j.others(e.id()) && given() {
			return nil
		}
		e.Boot, e.Until = boot, (now + left).Milliseconds()
		n, err := j.clean(boot, now)
		if err != nil {
			return err
		}
		if _, err := os.Lstat(j.path(e.id())); n >= maxEntries && err != nil { // a known one takes no more room
			return fmt.Errorf("call: journal %s: it is full, with %d calls", j.dir, n)
		}
		if e.State == entryAdopted || e.State == entryEnded {
			defer j.release(e.id())
		}
		return j.write(e, j.sync)
	})
}

// leave lets go of an own entry, which stays as it is: who was granted the call
// will put its own in its place, and another may take it should that one die
// before.
func (j *journal) leave(id string) error {
	return j.locked(func(string, time.Duration) error {
		j.release(id)
		return nil
	})
}

// strike lets go of an own entry: it is removed, or leaves a word on what
// became of the call, of whose ring so much is left. What another process has put in its place is left alone.
func (j *journal) strike(id string, e entry, left time.Duration) error {
	return j.locked(func(boot string, now time.Duration) error {
		f := j.held[id]
		if f == nil {
			return nil
		}
		defer j.release(id) // also of what write holds
		if path := j.path(id); !same(f, path) {
			return nil
		} else if e.State == entryNone {
			return os.Remove(path)
		}
		e.Boot, e.Until = boot, (now + left).Milliseconds()
		return j.write(e, j.sync)
	})
}

func (j *journal) path(id string) string { return filepath.Join(j.dir, id+suffixCall) }

func (j *journal) release(id string) {
	if f := j.held[id]; f != nil {
		_ = f.Close() // was synced; frees the lock
		delete(j.held, id)
	}
}

// others reports whether there is an entry of a call that this process does not hold.
func (j *journal) others(id string) bool {
	_, err := os.Lstat(j.path(id))
	return err == nil && !same(j.held[id], j.path(id))
}

// write puts an entry in its place and holds its lock.
func (j *journal) write(e entry, sync func(*os.File) error) (err error) {
	cc, err := ParseCCParam(e.CCParam)
	if err != nil {
		return err
	}
	data, err := e.marshal()
	if err != nil {
		return fmt.Errorf("call: journal: encode: %w", err)
	}
	id := cc.callID
	tmp := filepath.Join(j.dir, id+suffixTmp)
	_ = os.Remove(tmp) // of a process that was killed at it; where there is one that stays, the next line tells
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL|openFlags, 0o600)
	if err != nil {
		return fmt.Errorf("call: journal: %w", err)
	}
	placed := false
	defer func() {
		if err != nil {
			err = fmt.Errorf("call: journal: keep call %s: %w", id, err)
		}
		if !placed {
			err = errors.Join(err, f.Close(), os.Remove(tmp))
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = sync(f); err != nil {
		return err
	}
	if err = lockFile(f); err != nil {
		return err
	}
	if err = os.Rename(tmp, j.path(id)); err != nil {
		return err
	}
	placed = true
	j.release(id)
	j.held[id] = f
	return j.syncDir(sync)
}

func (j *journal) syncDir(sync func(*os.File) error) error {
	d, err := os.Open(j.dir)
	if err != nil {
		return err
	}
	return errors.Join(sync(d), d.Close())
}

// file is one entry as found in the folder.
type file struct {
	id    string
	entry entry
	err   error // why it can not be read
	free  bool  // nobody holds its lock: its owner is dead or has let go
	old   bool  // of an earlier boot, or its ring is over
}

// load reads the entry of a call. The file is given if there is one.
func (j *journal) load(id string) (e file, f *os.File) {
	e.id = id
	f, err := os.OpenFile(j.path(id), os.O_RDWR|openFlags, 0)
	if err != nil {
		e.err = err
		return e, nil
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		e.err = errors.Join(err, f.Close())
		return e, nil
	}
	data, err := io.ReadAll(io.LimitReader(f, maxEntry+1))
	if err == nil {
		e.entry, err = parseEntry(data)
	}
	e.err = err
	return e, f
}

// read reads the entry of a call. The file is given, locked, where it is free;
// nil else.
func (j *journal) read(id, boot string, now time.Duration) (e file, f *os.File) {
	if e, f = j.load(id); f == nil {
		return e, nil
	}
	e.free = lockFile(f) == nil
	e.old = e.entry.Boot != boot || now.Milliseconds() >= e.entry.Until
	if !e.free {
		_ = f.Close() // only read
		return e, nil
	}
	return e, f
}

// word is what the journal says of a call of this device, whoever has it; no
// lock is waited for. Nothing is said of a call of an earlier boot.
func (j *journal) word(id string, self Address) entry {
	e, f := j.load(id)
	if f != nil {
		_ = f.Close() // only read
	}
	boot, _, err := j.clock()
	if err != nil || e.err != nil || e.entry.Boot != boot || !e.entry.of(self) || e.entry.id() != id {
		return entry{}
	}
	return e.entry
}

// ids are the calls of the folder, at most so many as can be there.
func (j *journal) ids() (ids, temporary []string, err error) {
	d, err := os.Open(j.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("call: journal: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(4 * maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("call: journal: %w", err)
	}
	slices.Sort(names)
	for _, n := range names {
		if id, ok := strings.CutSuffix(n, suffixCall); ok && ValidID(id) {
			ids = append(ids, id)
		} else if strings.HasSuffix(n, suffixTmp) {
			temporary = append(temporary, n)
		}
	}
	return ids, temporary, nil
}

// clean removes what nobody needs any more: entries without an owner that are
// long over, of an earlier boot (after which the repeated push brings the
// call) or damaged, and what a killed process was about to write. A file of a
// later version, and what is no file, is left alone and counts. Where the folder
// is full, the oldest word on a call that is over makes room.
func (j *journal) clean(boot string, now time.Duration) (left int, err error) {
	ids, temporary, err := j.ids()
	if err != nil {
		return 0, err
	}
	for _, n := range temporary {
		err = errors.Join(err, os.Remove(filepath.Join(j.dir, n)))
	}
	var spare file // the oldest that is only for a clear answer
	for _, id := range ids {
		e, f := j.read(id, boot, now)
		gone := e.free && !errors.Is(e.err, errLater) &&
			(e.err != nil || e.entry.Boot != boot || now.Milliseconds() >= e.entry.Until+keepEntry.Milliseconds())
		if gone {
			err = errors.Join(err, os.Remove(j.path(id)))
		} else {
			left++
			if e.free && e.err == nil && (e.entry.State == entryEnded || e.entry.State == entryAdopted) && (spare.id == "" || e.entry.Until < spare.entry.Until) {
				spare = e
			}
		}
		if f != nil {
			_ = f.Close()
		}
	}
	if left >= maxEntries && spare.id != "" {
		left--
		err = errors.Join(err, os.Remove(j.path(spare.id)))
	}
	return left, err
}

// pending are the calls of this device that may be adopted; bad is the first
// file that could not be read.
func (j *journal) pending(self Address) (list []file, bad error, err error) {
	err = j.locked(func(boot string, now time.Duration) error {
		ids, _, err := j.ids()
		for _, id := range ids {
			e, f := j.read(id, boot, now)
			if f != nil {
				_ = f.Close()
			}
			switch {
			case errors.Is(e.err, fs.ErrNotExist):
			case e.err != nil:
				bad = errors.Join(bad, fmt.Errorf("call: journal: %s: %w", j.path(id), e.err))
			case e.old || !e.entry.of(self) || e.entry.id() != id:
			case e.entry.State == entryBackground, e.entry.State == entryForeground && e.free:
				list = append(list, e)
			}
		}
		return err
	})
	return list, bad, err
}

// take makes a dead owner's call this process's. next, if there is one, is the
// nonce of the live check that is made now.
func (j *journal) take(id string, self Address, noMic error, next string) (e entry, left time.Duration, err error) {
	err = j.locked(func(boot string, now time.Duration) error {
		got, f := j.read(id, boot, now)
		e = got.entry
		left = millis(e.Until) - now
		err := got.adoptable(self)
		if err == nil && f == nil {
			err = ErrAlreadyAdopted
			if e.State == entryBackground && j.held[id] == nil {
				err = errOwned
			}
		}
		if err == nil && !e.AllowCallWithoutMic {
			err = noMic
		}
		if err == nil {
			j.release(id)
			j.held[id] = f
			if next != "" {
				j.promise(e, next)
			}
			return nil
		}
		if f != nil {
			_ = f.Close()
		}
		return err
	})
	return e, left, err
}

// promise notes a nonce in an own entry before it is used: who finds that entry
// when this process has died, however soon, replaces that live check, too. It
// waits for no disk, since what is lost with the power is void anyway; and what
// hinders it hinders the entry that follows, which tells it.
func (j *journal) promise(e entry, next string) {
	e.Nonces = append(slices.Clone(e.Nonces[max(0, len(e.Nonces)-maxReplaces):]), next)
	_ = j.write(e, func(*os.File) error { return nil })
}

// inherit makes a call that its owner has granted this process's, as soon as the
// owner lets go of it: until this process has put its own entry there, what the
// owner left is what others find if this one dies. A call that was never kept,
// or a disk that hangs, is no hindrance; that another was faster is.
func (j *journal) inherit(id string, self Address) error {
	for t := time.Duration(0); t < lockWait; t += lockRetry {
		_, _, err := j.take(id, self, nil, "")
		if errors.Is(err, ErrAlreadyAdopted) {
			return err
		}
		if !errors.Is(err, errOwned) {
			return nil
		}
		time.Sleep(lockRetry)
	}
	return nil
}

// errOwned: another process holds the entry's lock.
var errOwned = errors.New("the process that has it does not answer")

// adoptable reports why an entry's call can not be adopted by this device.
func (e file) adoptable(self Address) error {
	switch {
	case errors.Is(e.err, fs.ErrNotExist):
		return ErrNoSuchCall
	case e.err != nil:
		return fmt.Errorf("its file in the journal can not be used: %w", e.err)
	case e.entry.id() != e.id:
		return errors.New("its file in the journal is of another call")
	case !e.entry.of(self):
		return fmt.Errorf("%w for this device: it is of %s", ErrNoSuchCall, e.entry.Owner)
	case e.entry.State == entryAdopted:
		return ErrAlreadyAdopted
	case e.entry.State == entryEnded || e.old:
		return ErrEnded
	}
	return nil
}

// close lets go of all entries; they stay, as a dead owner's.
func (j *journal) close() error {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	for id := range j.held {
		j.release(id)
	}
	return errors.Join(j.owners.close(), j.lock.Close())
}

// same reports whether f, if any, is still what path names.
func same(f *os.File, path string) bool {
	if f == nil {
		return false
	}
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}
