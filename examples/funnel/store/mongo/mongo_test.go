package mongo_test

import (
	"context"
	"crypto/rand"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/examples/funnel/store/mongo"
	"github.com/go-databuffer/databuffer/examples/funnel/store/storetest"
)

// fresh is a collection of this test's own, whose database goes with it.
func fresh(t testing.TB) (mongo.Config, *driver.Database) {
	uri := os.Getenv("MONGODB_URI")
	if uri == "" {
		t.Skip("MONGODB_URI names no MongoDB server; what needs none of its own is tested over FerretDB")
	}
	config := mongo.Config{URI: uri, Database: "test" + rand.Text(), Collection: "readings"}
	client, err := driver.Connect(options.Client().ApplyURI(uri))
	require.NoError(t, err)
	database := client.Database(config.Database)
	t.Cleanup(func() {
		require.NoError(t, database.Drop(context.Background()))
		require.NoError(t, client.Disconnect(context.Background()))
	})
	return config, database
}

func open(t testing.TB, config mongo.Config) store.Store {
	s, err := mongo.Open(t.Context(), config)
	require.NoError(t, err)
	return s
}

func TestTimeSeries(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		config, _ := fresh(t)
		return open(t, config)
	}, storetest.Options{RepeatsKeys: true})
}

func TestPlain(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		config, _ := fresh(t)
		config.Plain = true
		return open(t, config)
	}, storetest.Options{})
}

func TestCollectionOfTheOtherKind(t *testing.T) {
	config, database := fresh(t)
	require.NoError(t, open(t, config).Close())
	config.Plain = true
	_, err := mongo.Open(t.Context(), config)
	require.ErrorContains(t, err, "must be an ordinary collection")

	config.Plain, config.Collection = false, "others"
	require.NoError(t, database.CreateCollection(t.Context(), config.Collection,
		options.CreateCollection().SetTimeSeriesOptions(options.TimeSeries().SetTimeField("at"))))
	_, err = mongo.Open(t.Context(), config)
	require.ErrorContains(t, err, `has the time in "at"`)
}

// The server makes an ordinary collection at the next write.
func TestDroppedCollection(t *testing.T) {
	config, database := fresh(t)
	s := open(t, config)
	defer s.Close()
	require.NoError(t, database.Collection(config.Collection).Drop(t.Context()))
	require.Error(t, s.Ping(t.Context()))
	_, err := database.Collection(config.Collection).InsertOne(t.Context(), bson.D{})
	require.NoError(t, err)
	require.ErrorContains(t, s.Ping(t.Context()), "is an ordinary collection")
}

func TestConfig(t *testing.T) {
	whole := mongo.Config{URI: "mongodb://127.0.0.1", Database: "a", Collection: "b"}
	for field, spoil := range map[string]func(*mongo.Config){
		"URI":        func(c *mongo.Config) { c.URI = "" },
		"Database":   func(c *mongo.Config) { c.Database = "" },
		"Collection": func(c *mongo.Config) { c.Collection = "" },
	} {
		config := whole
		spoil(&config)
		_, err := mongo.Open(t.Context(), config)
		require.ErrorContains(t, err, field+" is empty")
	}
	whole.URI = "http://127.0.0.1"
	_, err := mongo.Open(t.Context(), whole)
	require.ErrorContains(t, err, "scheme")
}

func BenchmarkWrite(b *testing.B) {
	for _, plain := range []bool{false, true} {
		b.Run(map[bool]string{false: "timeseries", true: "plain"}[plain], func(b *testing.B) {
			storetest.BenchmarkWrite(b, func(b testing.TB) store.Store {
				config, _ := fresh(b)
				config.Plain = plain
				return open(b, config)
			})
		})
	}
}

func BenchmarkAggregate(b *testing.B) {
	storetest.BenchmarkAggregate(b, func(b testing.TB) store.Store {
		config, _ := fresh(b)
		return open(b, config)
	})
}
