package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform-agent/internal/settings"
	"github.com/lockform/lockform/zkfs"
)

// connection holds the flags that say how to reach ZooKeeper.
type connection struct {
	settings.Connection
	file string
}

func (c *connection) flags() []cli.Flag {
	return []cli.Flag{
		cmdline.String("servers", "CONNECT", "host:port,host:port/chroot (also LOCKFORM_SERVERS); default "+settings.DefaultServers, &c.Servers),
		cmdline.Func("auth", "digest:USER:@FILE", "authenticate with the password in FILE; may be repeated (also LOCKFORM_AUTH)", func(s string) error {
			c.Auth = append(c.Auth, s)
			return nil
		}),
		cmdline.String("tls-ca", "FILE", "certificates of who signed the servers' (PEM)", &c.TLSCA),
		cmdline.String("tls-cert", "FILE", "own certificate (PEM)", &c.TLSCert),
		cmdline.String("tls-key", "FILE", "its key (PEM)", &c.TLSKey),
		cmdline.String("tls-server-name", "NAME", "name in the servers' certificates, when it is not the one in -servers", &c.TLSServerName),
		cmdline.String("session-timeout", "DUR", "asked of ZooKeeper until a policy is known; default 15s", &c.SessionTimeout),
		cmdline.String("config", "FILE", "read the settings above from a file, HCL or JSON", &c.file),
	}
}

// config returns what a client is opened with.
func (c *connection) config(a *app, cmd *cli.Command) (lock.Config, error) {
	for _, auth := range c.Auth {
		// Not where flags are parsed: errors from there show the value.
		if err := settings.CheckFlag(auth); err != nil {
			return lock.Config{}, cmdline.Usage(cmd, "-auth: %v", err)
		}
	}
	all := c.Over(settings.Environment())
	if c.file != "" {
		file, err := settings.ReadFile(c.file)
		if err != nil {
			return lock.Config{}, err
		}
		all = all.Over(file)
	}
	conn, err := all.Config()
	if err != nil {
		return lock.Config{}, err
	}
	conn.Logger = a.log
	return lock.Config{Conn: conn, Logger: a.log}, nil
}

// closeTime is how long closing a session may take.
const closeTime = 2 * time.Second

// with connects, calls f and closes the connection.
func (c *connection) with(ctx context.Context, a *app, cmd *cli.Command, f func(*lock.Client) error) error {
	open, err := c.open(a, cmd)
	if err != nil {
		return err
	}
	client, err := open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if err := client.Close(ctx); err != nil {
			a.log.Debug("the session was not closed", "error", err)
		}
	}()
	return f(client)
}

// open returns a function that connects, to take the given locks.
func (c *connection) open(a *app, cmd *cli.Command, locks ...zkfs.Path) (func(context.Context) (*lock.Client, error), error) {
	config, err := c.config(a, cmd)
	if err != nil {
		return nil, err
	}
	config.Ahead = locks
	return func(ctx context.Context) (*lock.Client, error) { return lock.Open(ctx, config) }, nil
}
