import mailbox
import os

box = mailbox.mbox("mail", create=True)
box.lock()
box.add(b"From a Thu Jan  1 00:00:00 1970\nFrom: a\n\nbody\n")
box.flush()
box.unlock()
box.close()
os.rename("mail", "kept")
