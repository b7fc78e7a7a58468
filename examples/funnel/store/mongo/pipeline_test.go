package mongo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

var query = store.Query{
	Sensor: "$a", Metric: "m",
	From:        time.UnixMilli(1_000).UTC(),
	To:          time.UnixMilli(9_000).UTC(),
	Granularity: store.Hour,
}

// requireJSON compares what the server gets, in relaxed Extended JSON.
func requireJSON(t *testing.T, want string, got any) {
	t.Helper()
	text, err := bson.MarshalExtJSON(bson.D{{Key: "it", Value: got}}, false, false)
	require.NoError(t, err)
	require.JSONEq(t, `{"it": `+want+`}`, string(text))
}

const (
	matchStage = `{"$match": {
		"meta": {"$eq": {"sensor": "$a", "metric": "m"}},
		"time": {"$gte": {"$date": "1970-01-01T00:00:01Z"}, "$lt": {"$date": "1970-01-01T00:00:09Z"}}
	}}`
	bucketStages = `{"$group": {
		"_id": {"$dateTrunc": {"date": "$time", "unit": "hour", "timezone": "UTC"}},
		"count": {"$sum": 1}, "min": {"$min": "$value"}, "max": {"$max": "$value"}, "sum": {"$sum": "$value"}
	}}, {"$sort": {"_id": 1}}`
)

func TestAggregatePipeline(t *testing.T) {
	requireJSON(t, `[`+matchStage+`, `+bucketStages+`]`, aggregate(query))
}

func TestExactPipeline(t *testing.T) {
	exact := query
	exact.Exact = true
	requireJSON(t, `[`+matchStage+`,
		{"$group": {"_id": "$_id", "time": {"$first": "$time"}, "value": {"$first": "$value"}}},
	`+bucketStages+`]`, aggregate(exact))
}

func TestUnits(t *testing.T) {
	for granularity, want := range map[store.Granularity]string{
		store.Minute: "minute", store.Hour: "hour", store.Day: "day",
	} {
		require.Equal(t, want, unit(granularity))
	}
}

func TestMatchWithinMilliseconds(t *testing.T) {
	finer := query
	finer.From = finer.From.Add(250 * time.Microsecond)
	requireJSON(t, `{
		"meta": {"$eq": {"sensor": "$a", "metric": "m"}},
		"time": {"$gte": {"$date": "1970-01-01T00:00:01Z"}, "$lt": {"$date": "1970-01-01T00:00:09Z"}},
		"$and": [{"$or": [{"time": {"$gt": {"$date": "1970-01-01T00:00:01Z"}}}, {"micros": {"$gte": 250}}]}]
	}`, match(finer))
	finer.To = finer.To.Add(7 * time.Microsecond)
	requireJSON(t, `{
		"meta": {"$eq": {"sensor": "$a", "metric": "m"}},
		"time": {"$gte": {"$date": "1970-01-01T00:00:01Z"}, "$lte": {"$date": "1970-01-01T00:00:09Z"}},
		"$and": [
			{"$or": [{"time": {"$gt": {"$date": "1970-01-01T00:00:01Z"}}}, {"micros": {"$gte": 250}}]},
			{"$or": [{"time": {"$lt": {"$date": "1970-01-01T00:00:09Z"}}}, {"micros": {"$lt": 7}}]}
		]
	}`, match(finer))
}

func TestSensorsPipeline(t *testing.T) {
	requireJSON(t, `[
		{"$group": {"_id": "$meta", "last": {"$max": "$time"}}},
		{"$sort": {"_id.sensor": 1, "_id.metric": 1}},
		{"$limit": 17}
	]`, sensors(17))
}

// The order matters to a server that compares documents whole.
func TestOrderOfFields(t *testing.T) {
	raw, err := bson.Marshal(documentOf(&store.Row{}))
	require.NoError(t, err)
	require.Equal(t, []string{"_id", "time", "micros", "meta", "value"}, fields(t, raw))
	require.Equal(t, []string{"origin", "index"}, fields(t, bson.Raw(raw).Lookup("_id").Document()))
	require.Equal(t, []string{"sensor", "metric"}, fields(t, bson.Raw(raw).Lookup("meta").Document()))
}

func fields(t *testing.T, raw bson.Raw) []string {
	elements, err := raw.Elements()
	require.NoError(t, err)
	var names []string
	for _, element := range elements {
		names = append(names, element.Key())
	}
	return names
}
