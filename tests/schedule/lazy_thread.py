"""A store whose calls are made by a thread of its module, started when it is first needed."""

import os
from concurrent.futures import Future
from queue import Queue
from threading import Thread

jobs: Queue = Queue()
started = False


def work():
    while True:
        call, arguments, answer = jobs.get()
        try:
            answer.set_result(call(*arguments))
        except Exception as error:  # noqa: BLE001 - the caller's to handle
            answer.set_exception(error)


def submit(call, *arguments):
    global started  # noqa: PLW0603 - the point of it
    if not started:
        Thread(target=work, daemon=True).start()
        started = True
    answer: Future = Future()
    jobs.put((call, arguments, answer))
    return answer.result()


class Store:
    guarantees = ("atomicity",)
    single_writer = True

    def __init__(self, directory):
        self.directory = directory
        submit(lambda: os.makedirs(directory, exist_ok=True))

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, key, value):
        def act():
            with open(self.path("~"), "wb") as file:
                file.write(value)
                file.flush()
                os.fsync(file.fileno())
            os.replace(self.path("~"), self.path(key))

        submit(act)

    def read(self, key):
        def act():
            with open(self.path(key), "rb") as file:
                return file.read()

        return submit(act)

    def delete(self, key):
        submit(os.unlink, self.path(key))

    def list(self):
        return [name for name in submit(os.listdir, self.directory) if name != "~"]
