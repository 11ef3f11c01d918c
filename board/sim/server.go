package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	maxClients   = 16
	writeTimeout = time.Second            // after which a client counts as gone
	acceptPause  = 100 * time.Millisecond // after a failed accept: the process is out of files
)

// listen opens the control socket, for the user of this process only, in the
// place of one that a dead process left behind.
func (b *Board) listen(path string) error {
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("control socket: remove the abandoned one: %w", err)
		}
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return fmt.Errorf("control socket: %w (want an unused path of at most 107 bytes in a directory that exists)", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("control socket: %w", err), l.Close())
	}
	b.listener = l
	b.wg.Go(func() { b.accept(l) })
	return nil
}

// abandoned tells whether path is a socket that nobody listens on.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return false
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func (b *Board) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			b.log.Warn("simulated board: control socket", "err", err)
			time.Sleep(acceptPause)
			continue
		}
		b.admit(conn)
	}
}

// admit serves a connection in a goroutine of its own, or turns it away.
func (b *Board) admit(conn net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.clients) == maxClients {
		b.log.Warn("simulated board: client turned away", "clients", len(b.clients))
		conn.Close()
		return
	}
	b.clients[conn] = struct{}{}
	b.wg.Go(func() {
		b.serve(conn)
		conn.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.clients, conn)
	})
}

// serve answers a client until it leaves, is dropped, or becomes a watch.
func (b *Board) serve(conn net.Conn) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, maxRequest)
	for lines.Scan() {
		r, err := parseRequest(lines.Bytes())
		var out reply
		switch {
		case err != nil:
			out.Error = err.Error()
		case r.Op == "watch":
			b.serveWatch(conn)
			return
		default:
			out = b.do(r)
		}
		if err := send(conn, out); err != nil {
			b.log.Warn("simulated board: client dropped", "err", err)
			return
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		send(conn, reply{Error: fmt.Sprintf("request: a line longer than %d bytes", maxRequest)}) // it is dropped either way
	}
}

// serveWatch forwards events until the board, or the client, has enough.
func (b *Board) serveWatch(conn net.Conn) {
	w, err := b.Watch()
	if err != nil {
		send(conn, reply{Error: err.Error()}) // the board is closing
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn.Read(make([]byte, 1)) // whatever comes is the end
		w.Close()
	}()
	err = send(conn, reply{OK: true})
	for e := range w.Events {
		if err != nil {
			break
		}
		err = send(conn, e)
	}
	w.Close()
	conn.Close()
	<-done
	if err == nil {
		err = w.Err()
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		b.log.Warn("simulated board: watch dropped", "err", err)
	}
}

// send writes v as one line.
func send(conn net.Conn, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = conn.Write(append(line, '\n'))
	return err
}
