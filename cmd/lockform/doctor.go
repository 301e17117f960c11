package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/doctor"
	"github.com/lockform/lockform/cmd/lockform/internal/live"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
)

func (a *app) doctor() *cli.Command {
	var f layoutFlags
	var asJSON bool
	return &cli.Command{
		Name: "doctor", Usage: "look for what is wrong, or will be, with the ensembles",
		Description: `Asks every server of the layout's ensembles for its health, and looks in their
trees for what stops locks from working, now or some day, and for what lets
others do harm. It only reads. A server that is down costs the connect_timeout
of its ensemble, once.

It finds: servers that are down, slow, without quorum, of old or different
releases, or with another tickTime than is declared; four-letter words that are
not allowed; sequences near their end; queues near the size limit of a reply;
znodes in the layout's namespaces that nobody declared, and children of locks
that are no contenders; ACLs that are open to everyone, or leave nobody who can
administer; several identities that may delete each other's contenders; a
/zookeeper/quota that everyone may change; owners that wait for each other.

The exit code is 1 when something is an error, and 0 when there are only
warnings and notes, or nothing.

Examples:
  lockform doctor
  lockform doctor -json | jq '.findings[] | select(.severity == "error")'`,
		Flags: append([]cli.Flag{cmdline.Bool("json", "print one JSON document", &asJSON)}, f.connecting()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.NoArgs(cmd); err != nil {
				return err
			}
			return a.runDoctor(ctx, &f, asJSON)
		},
	}
}

func (a *app) runDoctor(ctx context.Context, f *layoutFlags, asJSON bool) error {
	f.quiet = true
	l, err := a.load(ctx, f)
	if err != nil {
		return err
	}
	progress := a.Progress("Looking at the ensembles")
	defer progress.Stop()
	report, err := a.examination(ctx, l)
	if err != nil {
		return err
	}
	progress.Stop()
	if asJSON {
		err = report.JSON(a.Out)
	} else {
		err = report.Text(a.Out, a.OutColor())
	}
	if err == nil && !report.Healthy() {
		err = errReported
	}
	return err
}

// examination is what doctor finds out about all ensembles.
func (a *app) examination(ctx context.Context, l *layout.Layout) (doctor.Report, error) {
	report := doctor.Report{Time: time.Now()}
	patients := make([]patient, len(l.Ensembles))
	var wg sync.WaitGroup
	for i, e := range l.Ensembles {
		wg.Go(func() { patients[i] = a.examine(ctx, e, l.Ledger, len(l.Ensembles) > 1, report.Time) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return report, context.Cause(ctx)
	}
	var locks []live.Lock
	for _, p := range patients {
		report.Add(p.Ensemble, p.findings)
		locks = append(locks, p.locks...)
	}
	report.Findings = append(report.Findings, doctor.Deadlocks(locks)...)
	report.Sort()
	return report, nil
}

// A patient is what was found out about one ensemble.
type patient struct {
	doctor.Ensemble
	findings []doctor.Finding
	locks    []live.Lock
}

// examine looks at one ensemble. That it cannot be used is a finding too.
func (a *app) examine(ctx context.Context, e layout.Ensemble, ledger zkfs.Path, several bool, now time.Time) patient {
	p := patient{Ensemble: doctor.Ensemble{Name: e.Name, Servers: []doctor.Server{}}}
	failed := func(err error) patient {
		p.findings = append(p.findings, doctor.Failure(e.Name, err.Error(), advice(err)))
		return p
	}
	cfg, err := connConfig(e)
	if err != nil {
		return failed(err)
	}
	ask := func(ctx context.Context, host, word string) (string, error) {
		return zkconn.FourLetterWord(ctx, cfg, host, word)
	}
	hosts, _, err := zkconn.ParseServers(cfg.Servers)
	if err != nil {
		return failed(err)
	}
	p.Servers = doctor.Servers(ctx, hosts, ask)
	p.Quorum = doctor.Quorum(p.Servers)
	p.findings = doctor.Judge(doctor.Wish{Ensemble: e.Name, TickTime: e.TickTime, Session: e.SessionTimeout}, p.Servers)
	if !p.Quorum {
		return p // said already; a session would take long to fail
	}
	links, closeAll, err := a.connect(ctx, []layout.Ensemble{e})
	if err != nil {
		return failed(err)
	}
	defer closeAll()
	tree, err := doctor.ReadTree(ctx, links[0], e.Name, ledger)
	if err != nil {
		return failed(err)
	}
	p.Locks, p.locks = tree.Count(), tree.Locks(several)
	p.findings = append(p.findings, tree.Judge(now)...)
	quota, err := a.quota(ctx, e)
	if err != nil {
		return failed(fmt.Errorf("read the ACL of /zookeeper/quota: %w", err))
	}
	p.findings = append(p.findings, doctor.Quota(e.Name, quota)...)
	return p
}

// quota reads the ACL of /zookeeper/quota, which is outside of any chroot.
func (a *app) quota(ctx context.Context, e layout.Ensemble) (zkfs.Node, error) {
	e.Chroot = zkfs.Root
	links, closeAll, err := a.connect(ctx, []layout.Ensemble{e})
	if err != nil {
		return zkfs.Node{}, err
	}
	defer closeAll()
	nodes, err := links[0].Read(ctx, zkfs.PartACL, []zkfs.Path{"/zookeeper/quota"})
	if err != nil {
		return zkfs.Node{}, err
	}
	return nodes[0], nil
}
