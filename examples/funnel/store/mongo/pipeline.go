package mongo

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// one is a document of one field, as most of the language is.
func one(key string, value any) bson.D { return bson.D{{Key: key, Value: value}} }

// aggregate is the pipeline of a query.
func aggregate(query store.Query) bson.A {
	pipeline := bson.A{one("$match", match(query))}
	if query.Exact {
		pipeline = append(pipeline, one("$group", bson.D{
			{Key: "_id", Value: "$_id"},
			{Key: "time", Value: one("$first", "$time")},
			{Key: "value", Value: one("$first", "$value")},
		}))
	}
	return append(
		pipeline,
		one("$group", bson.D{
			{Key: "_id", Value: one("$dateTrunc", bson.D{
				{Key: "date", Value: "$time"}, {Key: "unit", Value: unit(query.Granularity)}, {Key: "timezone", Value: "UTC"},
			})},
			{Key: "count", Value: one("$sum", 1)},
			{Key: "min", Value: one("$min", "$value")},
			{Key: "max", Value: one("$max", "$value")},
			{Key: "sum", Value: one("$sum", "$value")},
		}),
		one("$sort", one("_id", 1)),
	)
}

// match selects the readings of a query. $eq takes the names as they are,
// whatever they begin with.
func match(query store.Query) bson.D {
	from, to := query.Micros()
	conditions := bson.D{{Key: "meta", Value: one("$eq", series{query.Sensor, query.Metric})}}
	start, beyondStart := split(from)
	end, beyondEnd := split(to)
	upper := "$lt"
	if beyondEnd > 0 {
		upper = "$lte" // some of that millisecond
	}
	conditions = append(conditions, bson.E{Key: "time", Value: bson.D{{Key: "$gte", Value: start}, {Key: upper, Value: end}}})
	var finer bson.A
	if beyondStart > 0 {
		finer = append(finer, one("$or", bson.A{
			one("time", one("$gt", start)), one("micros", one("$gte", beyondStart)),
		}))
	}
	if beyondEnd > 0 {
		finer = append(finer, one("$or", bson.A{
			one("time", one("$lt", end)), one("micros", one("$lt", beyondEnd)),
		}))
	}
	if finer != nil {
		conditions = append(conditions, bson.E{Key: "$and", Value: finer})
	}
	return conditions
}

// split parts microseconds since 1970 into what a date holds and the rest.
func split(micros int64) (time.Time, int32) {
	return time.UnixMilli(micros / 1000).UTC(), int32(micros % 1000)
}

func unit(granularity store.Granularity) string {
	switch granularity {
	case store.Minute:
		return "minute"
	case store.Hour:
		return "hour"
	default:
		return "day"
	}
}

// sensors asks for no more than a time-series collection knows of its buckets
// without unpacking them, so that the newest time has milliseconds only.
func sensors(limit int) bson.A {
	return bson.A{
		one("$group", bson.D{{Key: "_id", Value: "$meta"}, {Key: "last", Value: one("$max", "$time")}}),
		one("$sort", bson.D{{Key: "_id.sensor", Value: 1}, {Key: "_id.metric", Value: 1}}),
		one("$limit", limit),
	}
}
