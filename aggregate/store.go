package aggregate

import (
	"fmt"
	"runtime/debug"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// store knows where in the batch being filled each key is: it is the
// partition.Store of one partition, whose lock protects it.
type store[K comparable, V any] struct {
	merge func(stored *V, value V)
	index index[K, V]
}

func newStore[K comparable, V any](merge func(stored *V, value V)) *store[K, V] {
	return &store[K, V]{merge: merge, index: newIndex[K, V](0)}
}

// Merge merges an entry into the one of the same key. A panic refuses it: that
// of merge, and that of a key which cannot be compared.
func (s *store[K, V]) Merge(filling []Entry[K, V], item Entry[K, V], hash uint64) (merged bool, err error) {
	i, found := 0, false
	defer func() {
		if value := recover(); value != nil {
			merged, err = false, refusal(found, value)
		}
	}()
	if hash == 0 {
		hash = buffer.Hash(item.Key)
	}
	if i, found = s.index.find(filling, item.Key, hash); !found {
		return false, nil
	}
	s.merge(&filling[i].Value, item.Value)
	filling[i].Count += item.Count
	return true, nil
}

// refusal is the error of an Add that has panicked: in merge, where its key was
// found, and else in looking that up.
func refusal(found bool, value any) error {
	what := "the key holds a value that cannot be compared"
	if found {
		what = "merge panicked"
	}
	return buffer.Invalid(&panicError{what, &flusher.PanicError{Value: value, Stack: debug.Stack()}})
}

// panicError is a panic in an Add. Its text is made when it is asked for: that may
// call the user's code, and the lock is held where the error is made.
type panicError struct {
	what  string
	panic *flusher.PanicError
}

func (e *panicError) Error() string {
	return fmt.Sprintf("aggregate: %s, the value was not added: %v", e.what, e.panic)
}

func (e *panicError) Unwrap() error { return e.panic }

// Keep notes where an entry will be.
func (s *store[K, V]) Keep(index int, item Entry[K, V], hash uint64) {
	if hash == 0 {
		hash = buffer.Hash(item.Key)
	}
	s.index.add(index, hash)
}

// Sealed forgets all keys.
func (s *store[K, V]) Sealed() { s.index.reset() }
