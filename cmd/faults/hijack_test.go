//go:build faults

package faults

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A tap stands between a client and a server and reads the password of the
// session that the server gives out, so that another can close it.
type tap struct {
	net.Listener
	backend string

	mu       sync.Mutex
	session  int64
	password []byte
}

func newTap(backend string) (*tap, error) {
	l, err := net.Listen("tcp", hub+":0")
	if err != nil {
		return nil, err
	}
	p := &tap{Listener: l, backend: backend}
	go p.serve()
	return p, nil
}

func (p *tap) serve() {
	for {
		client, err := p.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.backend)
		if err != nil {
			client.Close()
			continue
		}
		go func() {
			defer server.Close()
			_, _ = io.Copy(server, client)
		}()
		go func() {
			defer client.Close()
			session, password, answer, err := readConnect(server)
			if err != nil {
				return
			}
			if session != 0 {
				p.mu.Lock()
				p.session, p.password = session, password
				p.mu.Unlock()
			}
			if _, err := client.Write(answer); err == nil {
				_, _ = io.Copy(client, server)
			}
		}()
	}
}

// readConnect reads a server's answer to a connect request.
func readConnect(from io.Reader) (session int64, password, answer []byte, err error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(from, head); err != nil {
		return 0, nil, nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size < 36 || size > 1024 {
		return 0, nil, nil, fmt.Errorf("an answer of %d bytes", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(from, body); err != nil {
		return 0, nil, nil, err
	}
	// Protocol version and timeout stand before the session, the password's
	// length behind it.
	return int64(binary.BigEndian.Uint64(body[8:])), body[20:36], append(head, body...), nil
}

// closeSession connects with the session's password and closes the session.
func (p *tap) closeSession() error {
	p.mu.Lock()
	session, password := p.session, p.password
	p.mu.Unlock()
	if session == 0 {
		return errors.New("there was no session to close")
	}
	c, err := net.DialTimeout("tcp", p.backend, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	b := binary.BigEndian
	connect := b.AppendUint32(nil, 4+8+4+8+4+16)
	connect = b.AppendUint32(connect, 0)     // protocol version
	connect = b.AppendUint64(connect, 0)     // last zxid seen
	connect = b.AppendUint32(connect, 10000) // timeout in ms
	connect = b.AppendUint64(connect, uint64(session))
	connect = b.AppendUint32(connect, 16)
	connect = append(connect, password...)
	if _, err := c.Write(connect); err != nil {
		return err
	}
	if got, _, _, err := readConnect(c); err != nil || got != session {
		return fmt.Errorf("the session was not taken over: %x, %w", got, err)
	}
	const closeSession = -11
	request := b.AppendUint32(nil, 8)
	request = b.AppendUint32(request, 1) // xid
	request = b.AppendUint32(request, uint32(closeSession&0xffffffff))
	if _, err := c.Write(request); err != nil {
		return err
	}
	_, err = io.ReadAll(c) // its answer, and the end of the connection
	return err
}
