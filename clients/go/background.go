package signet

import (
	"context"
	"time"
)

// maxSleep is the longest time between two runs of the background task: timers stop while a computer sleeps.
const maxSleep = time.Minute

// minSleep keeps a request that is due, but cannot be sent, from being tried in a busy loop.
const minSleep = time.Second

// background runs what is due until the license is closed.
func (l *License) background() {
	for {
		timer := time.NewTimer(l.sleep())
		select {
		case <-timer.C:
			l.runOnce()
		case <-l.wake:
		case <-l.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// sleep returns the time until the next run.
func (l *License) sleep() time.Duration {
	l.core.mu.Lock()
	defer l.core.mu.Unlock()
	return l.core.untilNextRun()
}

// runOnce runs what is due. A panic, for example in a storage of the app, ends only this run.
func (l *License) runOnce() {
	defer func() { _ = recover() }()
	_, _ = l.operate(l.ctx, func(ctx context.Context) error {
		l.core.run(ctx)
		return nil
	})
}
