// Package layout holds what is declared (namespaces, locks, their ACLs and
// policies) and its form in the data of znodes.
//
// A Layout is made by a reader of configuration, compared with the live tree
// by a planner; a Record is what a planner leaves in a znode and an agent
// reads there. The package speaks to no server and knows no file format but
// the record's JSON.
package layout
