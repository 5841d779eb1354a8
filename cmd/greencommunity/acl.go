package main

import (
	"greencommunity/cmd/internal/serve"
	"greencommunity/deploy/mosquitto"
)

// aclCmd prints Mosquitto's access rules.
type aclCmd struct {
	Config string `required:"" help:"Path of config.yaml, for its inventory and the ingester's user name." placeholder:"FILE"`
}

func (c *aclCmd) Run(s streams) error {
	conf, err := serve.Load(c.Config)
	if err != nil {
		return err
	}
	inv := conf.Inventory
	user := conf.MQTT.Username
	if user == "" {
		user = "ingest"
	}
	return mosquitto.WriteACL(s.out, user, inv)
}
