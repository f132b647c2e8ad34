package signet

import "sync"

// callbacks calls functions with states, one at a time and in order.
type callbacks struct {
	mu        sync.Mutex
	functions []func(State)
	states    []State
	isRunning bool
	isClosed  bool
}

func (c *callbacks) add(function func(State)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.functions = append(c.functions, function)
}

// queue adds a state, with which run calls the functions.
func (c *callbacks) queue(state State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states = append(c.states, state)
}

// close ends all calls. It does not wait for one that is running.
func (c *callbacks) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isClosed = true
}

// run calls the functions with the queued states. If another goroutine does that already, or a function calls run, it returns at
// once.
func (c *callbacks) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isRunning {
		return
	}
	c.isRunning = true
	for len(c.states) > 0 {
		state := c.states[0]
		c.states = c.states[1:]
		for _, function := range c.functions {
			if c.isClosed {
				break
			}
			c.mu.Unlock()
			callIgnoringPanic(function, state)
			c.mu.Lock()
		}
	}
	c.isRunning = false
}

func callIgnoringPanic(function func(State), state State) {
	defer func() { _ = recover() }()
	function(state)
}
