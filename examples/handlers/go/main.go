// A container driver for Drover: it starts and stops instances. All it needs is a NATS client.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

type object = map[string]any

var name = cmp.Or(os.Getenv("HANDLER_NAME"), "go-demo")
var folder = cmp.Or(os.Getenv("DROVER_CONTAINERS_DIR"), "containers")

// answer starts or stops the container of the event's resource. Doing either twice is a no-op, so a repeated event is safe.
func answer(message *nats.Msg) {
	var event struct{ Key, Process, ResourceID string }
	err := json.Unmarshal(message.Data, &event)
	container := filepath.Join(folder, event.ResourceID)
	data := object{"containerId": nil}
	if err == nil && event.Process == "instance.stop" {
		err = os.RemoveAll(container)
	} else if err == nil {
		err = start(container, event.Key)
		data["containerId"] = name + "-" + event.ResourceID
	}
	reply, _ := json.Marshal(object{"data": data})
	if err != nil {
		reply, _ = json.Marshal(object{"transitioning": "error", "transitioningMessage": err.Error()})
	}
	message.Respond(reply)
}

func start(container, key string) error {
	file, err := os.OpenFile(container, os.O_CREATE|os.O_EXCL, 0o644) // stands for the real work
	if os.IsExist(err) {
		return nil
	}
	if err == nil {
		file.Close()
		file, err = os.OpenFile(filepath.Join(folder, "starts.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(key + "\n")
	return err
}

func main() {
	os.MkdirAll(folder, 0o755)
	url := cmp.Or(os.Getenv("DROVER_NATS_URL"), nats.DefaultURL)
	client, err := nats.Connect(url, nats.Name(name), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	if err != nil {
		log.Fatal(err)
	}
	client.QueueSubscribe("drover.process.instance.*.handle."+name, name, answer)
	configs := []object{{"name": "instance.start,instance.stop"}}
	registration, _ := json.Marshal(object{"name": name, "uuid": name, "processConfigs": configs})
	for { // repeating a registration updates it, so a handler registers at every start
		reply, err := client.Request("drover.handler.register", registration, 5*time.Second)
		if err == nil && reply.Header.Get("Drover-Error") == "" {
			break
		}
		if err == nil {
			err = errors.New(string(reply.Data))
		}
		log.Println(name, "cannot register yet:", err)
		time.Sleep(time.Second)
	}
	log.Println(name, "is registered")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	for client.Drain(); !client.IsClosed(); time.Sleep(10 * time.Millisecond) {
	}
}
