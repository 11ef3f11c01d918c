package call

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A living process is asked for its background call over its unix socket in
// the journal's folder: one line of JSON there, one back. Only this user can
// reach the folder.
type (
	adoptRequest struct {
		V      int     `json:"v"`
		Adopt  string  `json:"adopt"` // call id
		Device Address `json:"device"`
		NoMic  bool    `json:"no_mic,omitempty"` // the asker has no microphone
	}
	adoptReply struct {
		V      int    `json:"v"`
		Status string `json:"status"`
		Entry  *entry `json:"entry,omitempty"`
		Next   string `json:"next,omitempty"`    // the nonce for the asker's live check
		Left   int64  `json:"left_ms,omitempty"` // of its ring
	}
)

// The answers of an owner.
const (
	replyGranted = "granted" // the call is the asker's
	replyAdopted = "adopted"
	replyEnded   = "ended"
	replyUnknown = "unknown"
	replyNoMic   = "noMic"
)

const (
	ownerWait   = 500 * time.Millisecond // for an answer
	maxSockPath = 107                    // sun_path less its final zero (unix(7))
)

// ownerSocket is the socket that other processes ask at.
type ownerSocket struct {
	net.Listener
	path string
}

func (j *journal) listen() error {
	path := filepath.Join(j.dir, newID()[:8]+suffixSock)
	if len(path) > maxSockPath {
		return fmt.Errorf("call: journal: the path of a unix socket may have %d bytes, %s has %d: give a folder with a shorter path; until then only calls of a dead process can be adopted", maxSockPath, path, len(path))
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("call: journal: %w", err)
	}
	j.sock = &ownerSocket{l, path}
	return nil
}

// hush stops answering.
func (j *journal) hush() {
	if j != nil && j.sock != nil {
		_ = j.sock.Close() // removes the file, too
	}
}

// claimed is a call that this process may take.
type claimed struct {
	entry
	left time.Duration // of its ring
	next string        // the nonce to use
}

// claim gets a call from the living process that has it, or from a dead one.
// noMic is why this one has no microphone; nil: it has.
func (j *journal) claim(id string, self Address, noMic error) (claimed, error) {
	socks, err := filepath.Glob(filepath.Join(j.dir, "*"+suffixSock))
	if err != nil {
		return claimed{}, fmt.Errorf("call: journal: %w", err)
	}
	adopted := false
	for _, s := range socks[:min(len(socks), maxEntries)] {
		if j.sock != nil && s == j.sock.path {
			continue
		}
		r, err := j.ask(s, adoptRequest{V: 1, Adopt: id, Device: self, NoMic: noMic != nil})
		switch {
		case err != nil: // dead, or it hangs: its lock tells
		case r.Status == replyGranted && r.Entry != nil && ValidID(r.Next) && r.Entry.check() == nil && r.Entry.id() == id && r.Entry.of(self):
			return claimed{*r.Entry, millis(r.Left), r.Next}, j.inherit(id, self)
		case r.Status == replyAdopted: // the adopter may have died since: its lock tells
			adopted = true
		case r.Status == replyNoMic && noMic != nil:
			return claimed{}, noMic
		case r.Status == replyEnded:
			return claimed{}, ErrEnded
		}
	}
	next := newID()
	e, left, err := j.take(id, self, noMic, next)
	if adopted && (errors.Is(err, ErrNoSuchCall) || errors.Is(err, errOwned)) {
		err = ErrAlreadyAdopted
	}
	return claimed{e, left, next}, err
}

// ask puts a question to the owner at a socket. A socket that nobody listens
// at is a dead process's, and removed.
func (j *journal) ask(path string, q adoptRequest) (r adoptReply, err error) {
	conn, err := j.dial("unix", path, ownerWait)
	if err != nil {
		if isRefused(err) {
			_ = os.Remove(path) // whoever finds it next removes it
		}
		return r, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(ownerWait)); err != nil {
		return r, err
	}
	if err := json.NewEncoder(conn).Encode(q); err != nil {
		return r, err
	}
	err = json.NewDecoder(io.LimitReader(conn, 2*maxEntry)).Decode(&r)
	return r, err
}

// serveOwner answers, one at a time, until the socket is closed.
func (k *Kit) serveOwner(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			k.journalFailed("", fmt.Errorf("call: journal: accept: %w", err))
			return
		}
		if err := k.answer(conn); err != nil {
			k.log.Warn("call: a process that asked for a background call did not get it", "err", err)
		}
		_ = conn.Close()
	}
}

func (k *Kit) answer(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(ownerWait)); err != nil {
		return err
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 2048)).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read what it asks: %w", err)
	}
	var q adoptRequest
	if err := json.NewDecoder(strings.NewReader(line)).Decode(&q); err != nil {
		return fmt.Errorf("read what it asks: %w", err)
	}
	c, r := k.grant(q)
	err = json.NewEncoder(conn).Encode(r)
	if c == nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	c.granted = false
	if err == nil {
		if !k.apply(c, evHandOver{}) { // it has ended meanwhile: the caller will say so
			return nil
		}
		remember(k.others, c.id, 2*DefaultRingTime)
		k.disown(c.id)
		if c.entered != entryNone {
			k.write(entryOp{do: entryLeave, id: c.id})
		}
	}
	return err
}

// grant decides on a wish to adopt. A call that is given is not given twice,
// though it is only retired once the answer is on its way.
func (k *Kit) grant(q adoptRequest) (*Call, adoptReply) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.calls[q.Adopt]
	status := replyUnknown
	switch {
	case q.V != 1 || c == nil || c.role != RoleCallee:
	case !q.Device.sameDevice(k.cfg.Self):
	case c.background == nil || c.granted || c.handedOver():
		status = replyAdopted
	case c.s.phase == StateDisconnected || c.s.ending || k.closed:
		status = replyEnded
	case q.NoMic && !c.param.AllowCallWithoutMic:
		status = replyNoMic
	default:
		c.granted = true
		e := c.entry()
		e.Nonces = c.nonces
		return c, adoptReply{V: 1, Status: replyGranted, Entry: &e, Next: c.next, Left: max(0, c.ringEnd-k.cfg.Now()).Milliseconds()}
	}
	return nil, adoptReply{V: 1, Status: status}
}

// --- what the Kit tells the journal ---

// entryOp is one thing for the journal to do.
type entryOp struct {
	do    entryDo
	id    string
	entry entry
	ends  time.Duration // of the ring, on Config.Now
}

type entryDo int

const (
	entryPut    entryDo = iota // keep a call
	entryStrike                // it is over, or needs no keeping any more
	entryLeave                 // another process was granted it
)

// openJournal never fails the Kit: calls go on without it.
func (k *Kit) openJournal() {
	if k.cfg.Journal == "" {
		return
	}
	j, err := newJournal(k.cfg.Journal)
	if err != nil {
		k.noJournal = err
		k.log.Error("call: no journal", "err", err)
		return
	}
	if err := j.listen(); err != nil {
		k.noJournal = err
		k.log.Error("call: journal", "err", err)
	} else {
		k.work.Go(func() { k.serveOwner(j.sock) })
	}
	k.useJournal(j)
}

func (k *Kit) useJournal(j *journal) {
	_, bad, err := j.pending(k.cfg.Self)
	ids, _, err2 := j.ids()
	k.mu.Lock()
	k.journal, k.entries = j, make(chan entryOp, maxCalls)
	for _, id := range ids {
		remember(k.others, id, 2*DefaultRingTime)
	}
	k.mu.Unlock()
	if err := errors.Join(bad, err, err2); err != nil {
		k.log.Warn("call: journal", "err", err)
	}
	k.work.Go(k.keepJournal)
}

// keepJournal writes, so that nobody who rings waits for a disk.
func (k *Kit) keepJournal() {
	for {
		select {
		case op := <-k.entries:
			k.keep(op)
			continue
		default:
		}
		select {
		case op := <-k.entries:
			k.keep(op)
		case <-k.ctx.Done():
			if len(k.entries) == 0 {
				if err := k.journal.close(); err != nil {
					k.log.Warn("call: close journal", "err", err)
				}
				return
			}
		}
	}
}

func (k *Kit) keep(op entryOp) {
	var err error
	switch op.do {
	case entryPut:
		err = k.journal.put(op.entry, op.ends-k.cfg.Now(), func() bool { return op.entry.State != entryEnded && k.gave(op.id) })
	case entryStrike:
		err = k.journal.strike(op.id, op.entry, op.ends-k.cfg.Now())
	case entryLeave:
		err = k.journal.leave(op.id)
	}
	switch {
	case err != nil:
		k.journalFailed(op.id, err)
	case op.do == entryPut:
		k.mu.Lock()
		defer k.mu.Unlock()
		k.badDisk = nil
	}
}

// gave reports whether a background call of this process is another's by now, or
// over.
func (k *Kit) gave(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.calls[id]
	return c == nil || c.granted || c.handedOver()
}

func (k *Kit) journalFailed(id string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.badDisk = err
	k.counters["journal"]++
	k.log.Error("call: the call goes on without the journal", "call", id, "err", err)
	if c := k.calls[id]; c != nil && c.background != nil && c.s.phase != StateDisconnected {
		k.tell(c, notice{kind: noticeError, err: err})
	}
}

// JournalErr is why Config.Journal can not be used, or else why a call could not
// be kept; nil: neither, or one that came later was.
func (k *Kit) JournalErr() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return cmp.Or(k.noJournal, k.badDisk)
}

// PendingBackgroundCalls are the ids of the calls of this device that
// AdoptBackgroundCall may be asked for: background calls of this process and,
// from the journal, of others, and the calls of processes that were killed
// while they rang. With an error the list is what could be read.
func (k *Kit) PendingBackgroundCalls() ([]string, error) {
	if k == nil || k.calls == nil {
		return nil, startError(StartNotInitialized, "the Kit was not made by NewKit")
	}
	ids := []string{}
	var listed []file
	var bad, err error
	if k.journal != nil {
		listed, bad, err = k.journal.pending(k.cfg.Self)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, c := range k.calls {
		if c.background != nil && !c.granted && c.s.phase != StateDisconnected {
			ids = append(ids, id)
		}
	}
	for _, e := range listed {
		if c := k.calls[e.id]; c == nil || c.handedOver() && e.free {
			ids = append(ids, e.id)
		}
	}
	slices.Sort(ids)
	return ids, errors.Join(bad, err)
}

// entry is what the journal keeps of a call. k.mu is held.
func (c *Call) entry() entry {
	e := entry{
		State: entryForeground, CCParam: c.param.CCParam.String(), Owner: c.kit.cfg.Self,
		Nonces: c.nonces, Verified: c.s.quiet || c.s.phase == StateVerified, Rang: c.rang || c.s.ringing,
		AllowCallWithoutMic: c.param.AllowCallWithoutMic, AudioActivationByUser: c.param.AudioActivationByUser,
		AppData: c.appData, StartMessage: c.startMessage, Survived: c.acceptsItself,
	}
	if c.background != nil { // should its adopter die before it has written anything, that one's check is replaced, too
		e.State, e.Nonces = entryBackground, append(slices.Clone(c.nonces), c.next)
	}
	return e
}

// enter has a call that rings kept. k.mu is held.
func (k *Kit) enter(c *Call) {
	if k.journal == nil && k.noJournal != nil && c.background != nil {
		k.tell(c, notice{kind: noticeError, err: k.noJournal})
	}
	if k.journal == nil {
		return
	}
	e := c.entry()
	if c.background == nil && !k.cfg.JournalIncoming {
		if len(c.s.replaces) == 0 || c.entered == entryAdopted {
			return
		}
		e.State, e.AppData = entryAdopted, nil // in the place of what its last owner has left there
	}
	c.entered = e.State
	k.write(entryOp{do: entryPut, id: c.id, entry: e, ends: c.ringEnd})
}

// strike has the journal let go of a call. k.mu is held.
func (k *Kit) strike(c *Call, what entryState) {
	if c.entered == entryNone || c.entered == entryAdopted && c.began != 0 {
		return
	}
	op := entryOp{do: entryStrike, id: c.id, entry: c.entry(), ends: k.cfg.Now()}
	declined := what == entryEnded && c.over.Reason == ReasonDecline && c.over.Source == SourceCallee
	kept := c.background != nil || declined || c.entered == entryAdopted
	if c.entered == entryAdopted { // this process holds it no more
		op.do = entryPut
	}
	c.entered = entryNone
	op.entry.State, op.entry.Declined, op.entry.AppData = what, declined, nil
	if declined { // its caller may ring others until then
		op.ends = c.ringEnd
	}
	if what == entryEnded && !kept {
		op.entry.State = entryNone
	}
	k.write(op)
}

func (k *Kit) write(op entryOp) {
	select {
	case k.entries <- op:
	default: // a disk that hangs
		k.counters["journal_full"]++
	}
}
