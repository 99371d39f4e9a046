"""A container driver for Drover: it starts and stops instances. All it needs is a NATS client."""
import asyncio, json, os, signal
import nats

NAME = os.environ.get("HANDLER_NAME", "py-demo")
FOLDER = os.environ.get("DROVER_CONTAINERS_DIR", "containers")


def handle(event: dict) -> dict:
    """Starts or stops the container of event["resource"]. Doing either twice is a no-op, so a repeated event is safe."""
    container = os.path.join(FOLDER, event["resourceId"])
    if event["process"] == "instance.stop":
        if os.path.exists(container):
            os.remove(container)
        return {"data": {"containerId": None}}
    try:
        open(container, "x").close()  # stands for the real work
        with open(os.path.join(FOLDER, "starts.log"), "a") as log:
            log.write(event["key"] + "\n")
    except FileExistsError:
        pass
    return {"data": {"containerId": f"{NAME}-{event['resourceId']}"}}


async def answer(message):
    try:
        reply = handle(json.loads(message.data))
    except OSError as error:
        reply = {"transitioning": "error", "transitioningMessage": str(error)}
    await message.respond(json.dumps(reply).encode())


async def main():
    os.makedirs(FOLDER, exist_ok=True)
    url = os.environ.get("DROVER_NATS_URL", "nats://127.0.0.1:4222")
    client = await nats.connect(url, name=NAME, max_reconnect_attempts=-1)
    await client.subscribe(f"drover.process.instance.*.handle.{NAME}", queue=NAME, cb=answer)
    registration = {"name": NAME, "uuid": NAME, "processConfigs": [{"name": "instance.start,instance.stop"}]}
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while not stop.is_set():  # repeating a registration updates it, so a handler registers at every start
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
    await client.drain()


asyncio.run(main())
