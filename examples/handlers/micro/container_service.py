"""The container driver as a NATS micro service: any micro service answers Drover; `nats micro ls` lists this one."""
import asyncio, json, os, signal
import nats, nats.micro

NAME = os.environ.get("HANDLER_NAME", "micro-demo")
FOLDER = os.environ.get("DROVER_CONTAINERS_DIR", "containers")


async def handle(request):
    """Starts or stops the container of the event's resource; a no-op when done. What it raises goes out as a service error."""
    event = json.loads(request.data)
    container = os.path.join(FOLDER, event["resourceId"])
    starting = event["process"] == "instance.start"
    if starting and not os.path.exists(container):
        open(container, "x").close()  # stands for the real work
        with open(os.path.join(FOLDER, "starts.log"), "a") as log:
            log.write(event["key"] + "\n")
    elif not starting and os.path.exists(container):
        os.remove(container)
    answer = {"data": {"containerId": f"{NAME}-{event['resourceId']}" if starting else None}}
    await request.respond(json.dumps(answer).encode())


async def main():
    os.makedirs(FOLDER, exist_ok=True)
    url = os.environ.get("DROVER_NATS_URL", "nats://127.0.0.1:4222")
    client = await nats.connect(url, name=NAME, max_reconnect_attempts=-1)
    service = await nats.micro.add_service(client, name=NAME, version="1.0.0", queue_group=NAME)
    await service.add_endpoint(name="containers", subject=f"drover.process.instance.*.handle.{NAME}", handler=handle)
    registration = {"name": NAME, "uuid": NAME, "processConfigs": [{"name": "instance.start,instance.stop"}]}
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while not stop.is_set():  # repeating a registration updates it, so a service registers at every start
        try:
            reply = await client.request("drover.handler.register", json.dumps(registration).encode(), timeout=5)
            if "Drover-Error" not in (reply.headers or {}):
                print(NAME, "is registered", flush=True)
                break
            print(NAME, "cannot register yet:", reply.data.decode(), flush=True)
        except nats.errors.Error as error:
            print(NAME, "cannot register yet:", repr(error), flush=True)
        await asyncio.sleep(1)
    await stop.wait()
    await service.stop()
    await client.drain()


asyncio.run(main())
