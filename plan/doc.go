// Package plan is the difference between a layout and a live tree: finding it,
// showing it and applying it.
//
// The way of a plan is
//
//	live, err := plan.Read(ctx, target, layout, "main", options)   // only reads
//	p, err := plan.Diff(layout, []*plan.Live{live}, options)       // pure
//	p.WriteText(os.Stdout, plan.TextOptions{})                     // shows it
//	path, err := plan.Prepare(ctx, target, p, "main")              // ledger and apply lock exist
//	held := …                                                      // the lock at path, by our own recipe
//	err = plan.Apply(ctx, p, []plan.Side{{"main", target, held}}, plan.ApplyOptions{})
//
// A Plan is a value. It holds everything that Apply needs, every step with what
// the tree must look like for it, and no secret; Encode and Decode carry it
// through a file.
//
// # The live tree is the state
//
// Each managed znode's data says who owns it, and what was written about it when
// it was last applied (layout.Record); the ledger says which roots to look below,
// and what the last run did. From these follow:
//
//   - what is to be deleted: below the roots, what the layout owns and does not
//     declare;
//   - drift apart from change: as long as the digest in a record is that of the
//     configuration, a difference is one of the tree;
//   - which ACLs need not be read: those whose version is the recorded one.
//
// A znode that the layout does not own is never changed.
//
// # Applying
//
// Steps go into one multi where they fit, else into several, of which the next
// are sent while earlier ones are under way. Each sets the ledger at its expected
// version, checks our contender of the apply lock, and a znode that the one before
// wrote: so it is carried out once, in its turn, and only by the holder. A reply
// that was lost is found out from the ledger. ACLs follow one by one, since a multi cannot set them, each
// at its expected version. An apply that stops half-way is continued by the same
// plan, which the ledger names, or by a new plan of the same configuration,
// which finds what was done done.
//
// # Forms
//
// WriteText is for people; the forms for programs are described where they are
// written: the plan file in planfile.go, the document of "show -json" in json.go,
// the stream of "-json" at Stream, the live tree at ManagedJSON.
package plan
