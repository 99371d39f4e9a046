// A container driver for Drover: it starts and stops instances. All it needs is a NATS client.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
)

var name = cmp.Or(os.Getenv("HANDLER_NAME"), "go-demo")
var folder = cmp.Or(os.Getenv("DROVER_CONTAINERS_DIR"), "containers")

// handle starts or stops the container of the event's resource. A container that exists is started already, which
// answer takes as done: a repeated event is safe.
func handle(data []byte) (containerID any, err error) {
	var event struct{ Key, Process, ResourceID string }
	if err := json.Unmarshal(data, &event); err != nil || event.ResourceID == "" {
		return nil, fmt.Errorf("not a process event: %s", data)
	}
	container := filepath.Join(folder, event.ResourceID)
	if event.Process == "instance.stop" {
		return nil, os.RemoveAll(container)
	}
	// Stands for the real work. After a failed step the next ones fail as well; cmp.Or gives the first error.
	file, created := os.OpenFile(container, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	_, written := fmt.Fprintln(file, event.Key)
	return name + "-" + event.ResourceID, cmp.Or(created, written, file.Close())
}

func answer(message *nats.Msg) {
	containerID, err := handle(message.Data)
	reply, _ := json.Marshal(map[string]any{"data": map[string]any{"containerId": containerID}})
	if err != nil && !errors.Is(err, fs.ErrExist) {
		reply, _ = json.Marshal(map[string]any{"transitioning": "error", "transitioningMessage": err.Error()})
	}
	message.Respond(reply)
}

func main() {
	made := os.MkdirAll(folder, 0o755)
	url := os.Getenv("DROVER_NATS_URL") // empty: nats://127.0.0.1:4222
	client, connected := nats.Connect(url, nats.Name(name), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	_, subscribed := client.QueueSubscribe("drover.process.instance.*.handle."+name, name, answer)
	// Repeating a registration updates it, so a handler registers at every start.
	body := fmt.Sprintf(`{"name":%q,"uuid":%q,"processConfigs":[{"name":"instance.start,instance.stop"}]}`, name, name)
	reply, registered := client.Request("drover.handler.register", []byte(body), 5*time.Second)
	if err := cmp.Or(made, connected, subscribed, registered); err != nil {
		log.Fatal(err)
	} else if reply.Header.Get("Drover-Error") != "" {
		log.Fatalf("%s is not registered: %s", name, reply.Data)
	}
	log.Printf("%s is registered: %s", name, reply.Data)
	select {}
}
