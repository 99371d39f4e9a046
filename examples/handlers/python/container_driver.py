"""A container driver for Drover: it starts and stops instances. All it needs is a NATS client."""
import asyncio, contextlib, json, os, pathlib, sys
import nats

NAME = os.environ.get("HANDLER_NAME", "py-demo")
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


async def answer(message):
    try:
        reply = {"data": handle(json.loads(message.data))}
    except Exception as error:
        reply = {"transitioning": "error", "transitioningMessage": repr(error)}
    await message.respond(json.dumps(reply).encode())


async def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    url = os.environ.get("DROVER_NATS_URL", "nats://127.0.0.1:4222")
    client = await nats.connect(url, name=NAME, max_reconnect_attempts=-1)
    await client.subscribe(f"drover.process.instance.*.handle.{NAME}", queue=NAME, cb=answer)
    # Repeating a registration updates it, so a handler registers at every start.
    registration = {"name": NAME, "uuid": NAME, "processConfigs": [{"name": "instance.start,instance.stop"}]}
    reply = await client.request("drover.handler.register", json.dumps(registration).encode(), timeout=5)
    if "Drover-Error" in (reply.headers or {}):
        sys.exit(f"{NAME} is not registered: {reply.data.decode()}")
    print(NAME, "is registered:", reply.data.decode(), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
