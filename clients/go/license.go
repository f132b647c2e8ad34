package signet

import (
	"context"
	"errors"
	"sync"
	"time"
)

// License is a handle to the license of this machine, or of this process. Its methods may be called from several goroutines.
type License struct {
	core       *core
	operations chan struct{} // holds a value while an operation or the background task runs
	wake       chan struct{} // tells the background task that due times have changed
	ctx        context.Context
	cancel     context.CancelFunc
	close      sync.Once
	callbacks  callbacks
}

// Open reads the storage, and starts the background task. It makes no request. It fails only if the configuration or an option
// is not valid, with the code [CodeInvalidConfig].
func Open(config Config, options Options) (*License, error) {
	verifier, err := config.verifier()
	if err != nil {
		return nil, err
	}
	baseURL, err := config.baseURL()
	if err != nil {
		return nil, err
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	transport, err := newTransport(baseURL, options)
	if err != nil {
		return nil, err
	}
	id := options.identity(config.Product)
	l := &License{
		core:       newCore(options.ports(config.Product, transport), verifier.of(id), id, !options.ForgetLicenseKey),
		operations: make(chan struct{}, 1),
		wake:       make(chan struct{}, 1),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	go l.background()
	return l, nil
}

// State returns the present state, without network.
func (l *License) State() State {
	l.core.mu.Lock()
	defer l.core.mu.Unlock()
	return l.core.state()
}

// Has returns whether the app may run and the license has the feature.
func (l *License) Has(feature string) bool {
	l.core.mu.Lock()
	defer l.core.mu.Unlock()
	return l.core.has(feature)
}

// Limit returns the limit of a feature: 0 if the app may not run or the limit is not granted, and [Unlimited] without a limit.
func (l *License) Limit(feature string) int64 {
	l.core.mu.Lock()
	defer l.core.mu.Unlock()
	return l.core.limit(feature)
}

// OnChange adds a function that is called with the new state after an operation or a run of the background task, if the state
// has changed. A renewed token alone is no change; the end of a token is one. The function runs in the goroutine of an operation
// or of the background task. Calls are in the order of the states and do not overlap, and a panic is ignored. The function may
// call every method of the license, and wait for goroutines that do. It is not called any more once Close was called.
func (l *License) OnChange(callback func(State)) { l.callbacks.add(callback) }

// Activate activates with a license key, and returns the new state. An error has the code with which the API refused, or
// [CodeUnreachable]; in that case the background task tries again, unless another license is in use. A license key that does not
// exist or is for another product ([CodeWrongProduct]) changes nothing.
func (l *License) Activate(ctx context.Context, licenseKey string) (State, error) {
	return l.operate(ctx, func(ctx context.Context) error { return l.core.activate(ctx, licenseKey) })
}

// Deactivate gives the license up on this machine: it frees the seat, and removes the token and the license key. Without a
// token, for example after a refusal, it activates first with the stored license key, because the seat may still be taken.
// After an error, the license key is still stored.
func (l *License) Deactivate(ctx context.Context) error {
	_, err := l.operate(ctx, l.core.deactivate)
	return err
}

// Refresh asks the API now, and returns the new state. It sends a heartbeat, or activates with the stored license key if there is
// no token, after a refusal, and in ClockTampered. Programs that end within seconds call it, because the background task sends its
// first request only later. A failure of the network is no error: the state says what is known.
func (l *License) Refresh(ctx context.Context) (State, error) {
	return l.operate(ctx, func(ctx context.Context) error {
		l.core.refresh(ctx)
		return nil
	})
}

// Release frees the seat, and keeps the license key for the next start. It takes at most two seconds, and ignores failures of
// the network. The background task then sends nothing until there is a token again, or Activate has stored a license key. With a
// license file it does nothing.
func (l *License) Release(ctx context.Context) error {
	_, err := l.operate(ctx, func(ctx context.Context) error {
		l.core.release(ctx)
		return nil
	})
	return err
}

// Borrow keeps the license valid without network until a time, if its tier allows that, and returns the new state. An error has
// the code of the API, [CodeUnreachable], [CodeInvalidValue] if the time is not in the future, or [CodeEphemeralMachineID] if the
// id of the machine is random, as in a container.
func (l *License) Borrow(ctx context.Context, until time.Time) (State, error) {
	return l.operate(ctx, func(ctx context.Context) error { return l.core.borrow(ctx, until) })
}

// OfflineRequest returns the text from which a license file for this machine is made. If the id of the machine is random, as in
// a container, the error has the code [CodeEphemeralMachineID].
func (l *License) OfflineRequest() (string, error) { return l.core.offlineRequest() }

// ImportLicenseFile imports a license file, all bytes of it, and returns the new state. An error has the code
// [CodeLicenseFileInvalid] and a message that says why, or the code with which the API refused the license after the file was made.
func (l *License) ImportLicenseFile(file []byte) (State, error) {
	if l.ctx.Err() != nil {
		return l.State(), errClosed()
	}
	defer l.callbacks.run()
	return l.locked(func() error { return l.core.importLicenseFile(string(file)) })
}

// Diagnose returns lines of text for support, without license keys and tokens.
func (l *License) Diagnose() string {
	l.core.mu.Lock()
	defer l.core.mu.Unlock()
	return l.core.diagnose()
}

// Close stops the background task, and frees the seat of a process or of an ephemeral machine, which takes at most two seconds.
// It always returns nil. Other methods still work without network.
func (l *License) Close() error {
	l.callbacks.close()
	l.close.Do(func() {
		l.cancel()
		l.operations <- struct{}{}
		_, _ = l.locked(func() error {
			l.core.close(context.Background())
			return nil
		})
	})
	return nil
}

// String says which license this is.
func (l *License) String() string { return "license of " + l.core.verifier.product }

// GoString returns the same as String.
func (l *License) GoString() string { return l.String() }

// operate runs an operation that uses the network, when no other one runs. Close cancels it.
func (l *License) operate(ctx context.Context, operation func(context.Context) error) (State, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	select {
	case l.operations <- struct{}{}:
		defer l.callbacks.run()
		defer func() { <-l.operations }()
	case <-ctx.Done():
	}
	if l.ctx.Err() != nil {
		return l.State(), errClosed()
	}
	if err := ctx.Err(); err != nil {
		return l.State(), causedError(CodeUnreachable, "the operation was canceled", err)
	}
	state, err := l.locked(func() error { return operation(ctx) })
	if l.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errClosed()
	}
	return state, err
}

// locked calls a function of the core, and notes whether it has changed the state.
func (l *License) locked(function func() error) (State, error) {
	l.core.mu.Lock()
	defer l.core.mu.Unlock()
	err := function()
	state, isChange := l.core.change()
	if isChange {
		l.callbacks.queue(state)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return state, err
}

func errClosed() *Error { return newError(CodeClosed, "the license was closed") }
