package zkconn

import "testing"

// A read that was answered on a connection which broke over another of the same
// flight is sent again. Only the watch of the later answer is kept.
func TestAReadThatIsAnsweredTwiceLeavesOneWatch(t *testing.T) {
	var s Session
	var set *Watch
	r := s.watchRequest(opGetData, "/a", &set)
	r.onReply(&wire{epoch: 1}, &reply{})
	first := set
	r.onReply(&wire{epoch: 2}, &reply{})
	if all := s.watches.waiting[watchKey{watchData, "/a"}]; len(all) != 1 || all[0] != set || set == first || set.Epoch != 2 {
		t.Errorf("got %d watches, the last of epoch %d", len(all), set.Epoch)
	}
}
