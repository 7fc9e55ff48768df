import logging
import logging.handlers

logger = logging.getLogger("example")
handler = logging.FileHandler("log", delay=True)
logger.addHandler(handler)
logger.warning("one")
logger.warning("two")
handler.close()
logger.removeHandler(handler)
rotating = logging.handlers.RotatingFileHandler("rotating", maxBytes=40, backupCount=2)
logger.addHandler(rotating)
for number in range(6):
    logger.warning("message number %d", number)
rotating.close()
logger.removeHandler(rotating)
