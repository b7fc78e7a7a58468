package kafka

const childEnv = "FUNNEL_KAFKA_CHILD"

func child() {}
