"""The container driver with durable delivery: events wait in a stream while it is away. Answer to replyTo, then acknowledge."""
import asyncio, contextlib, json, os, pathlib, sys
import nats

NAME = os.environ.get("HANDLER_NAME", "py-durable-demo")
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


async def answer(client, message):
    event = json.loads(message.data)
    try:
        reply = {"data": handle(event)}
    except Exception as error:
        reply = {"transitioning": "error", "transitioningMessage": repr(error)}
    await client.publish(event["replyTo"], json.dumps(reply).encode())
    await message.ack()


async def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    url = os.environ.get("DROVER_NATS_URL", "nats://127.0.0.1:4222")
    client = await nats.connect(url, name=NAME, max_reconnect_attempts=-1)
    # Repeating a registration updates it, so a handler registers at every start.
    processes = [{"name": "instance.start,instance.stop"}]
    registration = {"name": NAME, "uuid": NAME, "delivery": "durable", "processConfigs": processes}
    reply = await client.request("drover.handler.register", json.dumps(registration).encode(), timeout=5)
    if "Drover-Error" in (reply.headers or {}):
        sys.exit(f"{NAME} is not registered: {reply.data.decode()}")
    print(NAME, "is registered:", reply.data.decode(), flush=True)
    events = await client.jetstream().pull_subscribe_bind(consumer=f"HANDLER_{NAME}", stream="WORK")
    while True:
        with contextlib.suppress(nats.errors.TimeoutError):
            for message in await events.fetch(10, timeout=5):
                await answer(client, message)


asyncio.run(main())
