package mongo

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

func refused(places ...[2]int) mongo.BulkWriteException {
	var all mongo.BulkWriteException
	for _, at := range places {
		all.WriteErrors = append(all.WriteErrors, mongo.BulkWriteError{
			WriteError: mongo.WriteError{Index: at[0], Code: at[1], Message: strings.Repeat("x", 1000)},
		})
	}
	return all
}

func TestOutcome(t *testing.T) {
	const invalid, stepDown, unheardOf = 121, 189, 987654
	rows := make([]store.Row, 10)
	unsure := refused([2]int{4, invalid})
	unsure.WriteConcernError = &mongo.WriteConcernError{Code: 64, Message: "waiting for replication timed out"}
	onlyUnsure := mongo.BulkWriteException{WriteConcernError: unsure.WriteConcernError}
	rejected := flusher.Partial(flusher.Permanent(errors.New("bad")), 0, 5)
	for name, of := range map[string]struct {
		err              error
		places           []int
		rejected         error
		retry, permanent []int
		whole            bool
	}{
		"all stored":               {},
		"some rejected":            {rejected: rejected, places: []int{1, 2, 3, 4, 6, 7, 8, 9}, permanent: []int{0, 5}},
		"refused for ever":         {err: refused([2]int{2, invalid}, [2]int{3, 2}), permanent: []int{2, 3}},
		"a time-series duplicate":  {err: refused([2]int{2, duplicateKey}), permanent: []int{2}},
		"to be retried":            {err: refused([2]int{2, stepDown}, [2]int{9, unheardOf}), retry: []int{2, 9}},
		"both":                     {err: refused([2]int{2, stepDown}, [2]int{1, invalid}), retry: []int{2}, permanent: []int{1}},
		"not agreed on":            {err: onlyUnsure, retry: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		"not agreed on and one no": {err: unsure, retry: []int{0, 1, 2, 3, 5, 6, 7, 8, 9}, permanent: []int{4}},
		"rejected and refused": {
			err: refused([2]int{0, stepDown}, [2]int{4, invalid}), rejected: rejected,
			places: []int{1, 2, 3, 4, 6, 7, 8, 9}, retry: []int{1}, permanent: []int{0, 5, 6},
		},
		"rejected and not agreed on": {
			err: unsure, rejected: rejected, places: []int{1, 2, 3, 4, 6, 7, 8, 9},
			retry: []int{1, 2, 3, 4, 7, 8, 9}, permanent: []int{0, 5, 6},
		},
		"the connection":       {err: errors.New("broken pipe"), whole: true},
		"nothing that is said": {err: mongo.BulkWriteException{}, rejected: rejected, places: []int{1}, whole: true},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&Store{}).outcome(t.Context(), of.err, rows, of.places, of.rejected)
			if of.err == nil && of.rejected == nil {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			verdict := flusher.Inspect(err, len(rows))
			if of.whole || len(of.retry) == len(rows) {
				require.True(t, verdict.Whole, "%v", err)
				require.False(t, verdict.Final, "%v", err)
				return
			}
			require.False(t, verdict.Whole, "%v", err)
			require.Equal(t, of.retry, verdict.Retry, "to be retried")
			require.Equal(t, of.permanent, verdict.Permanent, "permanent")
			require.Less(t, len(err.Error()), 1000, "the server's text is cut short")
		})
	}
}

func TestOutcomeAfterContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := (&Store{}).outcome(ctx, refused([2]int{1, 121}), make([]store.Row, 3), nil, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, flusher.Inspect(err, 3).Whole, "an answer that is cut off may leave rows out")
}

func TestClosedClient(t *testing.T) {
	require.ErrorIs(t, (&Store{}).classify(t.Context(), mongo.ErrClientDisconnected), store.ErrClosed)
}

func TestUnknownOption(t *testing.T) {
	for code, want := range map[int32]bool{
		72: true, 238: true, 40415: true,
		13: false, // Unauthorized
		18: false, // AuthenticationFailed
		91: false, // ShutdownInProgress
		48: false, // NamespaceExists
	} {
		require.Equal(t, want, isUnknown(mongo.CommandError{Code: code}), "code %d", code)
	}
	require.False(t, isUnknown(errors.New("broken pipe")))
	require.True(t, isExists(mongo.CommandError{Code: 48}))
}
