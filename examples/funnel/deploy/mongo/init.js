// Runs once, when MongoDB starts on an empty folder: a user for funnel that can
// do what funnel does and nothing else.
//
// The collection is not made here. funnel makes it as a time-series collection
// when it starts, and refuses to go on where the server cannot; a second
// definition here could only differ from that one.

const password = process.env.MONGO_PASSWORD;
if (!password) {
  throw new Error("MONGO_PASSWORD is empty: it is the password of the user funnel");
}

const funnel = db.getSiblingDB("funnel");
funnel.createUser({
  user: "funnel",
  pwd: password,
  roles: [{ role: "readWrite", db: "funnel" }],
});
print("created the user funnel, who reads and writes the database funnel");
