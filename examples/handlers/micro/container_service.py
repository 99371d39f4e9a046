"""The container driver as a NATS micro service: any micro service answers Drover; `nats micro ls` lists this one."""
import asyncio, contextlib, json, os, pathlib, sys
import nats, nats.micro

NAME = os.environ.get("HANDLER_NAME", "micro-demo")
FOLDER = pathlib.Path(os.environ.get("DROVER_CONTAINERS_DIR", "containers"))


def handle(event: dict) -> dict:
    """Starts or stops the container of the event's resource. Doing either twice is a no-op, so a repeated event is safe."""
    container = FOLDER / event["resourceId"]
    if event["process"] == "instance.stop":
        container.unlink(missing_ok=True)
        return {"containerId": None}
    with contextlib.suppress(FileExistsError), container.open("x") as file:
        file.write(event["key"] + "\n")  # stands for the real work
    return {"containerId": f"{NAME}-{event['resourceId']}"}


async def answer(request):
    """What it raises goes out as a service error, which fails the attempt."""
    await request.respond(json.dumps({"data": handle(json.loads(request.data))}).encode())


async def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    url = os.environ.get("DROVER_NATS_URL", "nats://127.0.0.1:4222")
    client = await nats.connect(url, name=NAME, max_reconnect_attempts=-1)
    service = await nats.micro.add_service(client, name=NAME, version="1.0.0", queue_group=NAME)
    await service.add_endpoint(name="containers", subject=f"drover.process.instance.*.handle.{NAME}", handler=answer)
    # Repeating a registration updates it, so a service registers at every start.
    registration = {"name": NAME, "uuid": NAME, "processConfigs": [{"name": "instance.start,instance.stop"}]}
    reply = await client.request("drover.handler.register", json.dumps(registration).encode(), timeout=5)
    if "Drover-Error" in (reply.headers or {}):
        sys.exit(f"{NAME} is not registered: {reply.data.decode()}")
    print(NAME, "is registered:", reply.data.decode(), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
