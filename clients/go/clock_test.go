package signet

import (
	"testing"
	"testing/quick"
)

// Each number is a step of the clocks, in seconds: the monotonic clock advances by elapsed, the wall clock by elapsed and jump.
type clockStep struct {
	Elapsed uint16
	Jump    int16
}

// observeAll observes the steps from time 1,000,000, and calls check after each.
func observeAll(steps []clockStep, check func(before, after clock, wall float64, step clockStep) bool) bool {
	const start = 1_000_000
	c, wall, monotonic := clock{time: start}, float64(start), 0.0
	for _, step := range steps {
		before := c
		monotonic += float64(step.Elapsed)
		wall += float64(step.Elapsed) + float64(step.Jump)
		c.observe(wall, monotonic, 0)
		if !check(before, c, wall, step) {
			return false
		}
	}
	return true
}

func TestTimeAdvancesAtLeastWithTheMonotonicClock(t *testing.T) {
	t.Parallel()
	check(t, func(steps []clockStep) bool {
		return observeAll(steps, func(before, after clock, _ float64, step clockStep) bool {
			return after.time >= before.time+float64(step.Elapsed)
		})
	})
}

func TestTimeIsNotBehindTheWallClock(t *testing.T) {
	t.Parallel()
	check(t, func(steps []clockStep) bool {
		return observeAll(steps, func(_, after clock, wall float64, _ clockStep) bool { return after.time >= wall })
	})
}

// A difference below the tolerance is forgotten, and counted with the next set-back.
func TestSetBacksAreAtMostTheBackwardJumpsAndTheTolerance(t *testing.T) {
	t.Parallel()
	check(t, func(steps []clockStep) bool {
		limit := 0.0
		return observeAll(steps, func(_, after clock, _ float64, step clockStep) bool {
			limit += max(0, -float64(step.Jump))
			if step.Jump < 0 {
				limit += clockTolerance
			}
			return after.setBack >= 0 && after.setBack <= limit
		})
	})
}

func TestRestartsDoNotCountASetBackAgain(t *testing.T) {
	t.Parallel()
	check(t, func(steps []clockStep) bool {
		return observeAll(steps, func(_, after clock, wall float64, _ clockStep) bool {
			stored := after.record(after.time)
			restarted := clock{time: stored.LastSeen, behind: stored.Behind, setBack: stored.SetBack}
			restarted.observe(wall, 0, 0)
			return restarted.setBack == stored.SetBack
		})
	})
}

func TestMergeTakesTheLaterReferenceAndTheLargerSetBack(t *testing.T) {
	t.Parallel()
	c := clock{time: 1000, reference: 500, setBack: 10}
	c.merge(clockRecord{LastSeen: 2000, Reference: 400, SetBack: 99})
	equal(t, "an earlier reference", "clock", c, clock{time: 1000, reference: 500, setBack: 10})
	c.merge(clockRecord{LastSeen: 1100, Reference: 500, SetBack: 20, Behind: 20})
	equal(t, "the same reference", "clock", c, clock{time: 1100, reference: 500, setBack: 20, behind: 20})
	c.merge(clockRecord{LastSeen: 600, Reference: 600})
	equal(t, "a later reference", "clock", c, clock{time: 600, reference: 600})
}

func check(t *testing.T, property func([]clockStep) bool) {
	t.Helper()
	if err := quick.Check(property, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}
