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
// The live tree is the state. Each managed znode's data says who owns it
// (layout.Record); the ledger says which roots to look below, and what the last
// run did. A znode that the layout does not own is never changed.
package plan
