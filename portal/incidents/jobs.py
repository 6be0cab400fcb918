"""The worker's part: publish at the time that an author set."""

import logging

from portal.incidents.publishing import scheduling
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.incidents")


def publish_due(parts: WorkerParts) -> None:
    """Publish the drafts whose time has come, one incident a transaction."""
    now = parts.clock.now()
    with parts.db.read() as session:
        slugs = scheduling.due(session, now)
    for slug in slugs:
        with parts.db.write() as session:
            done = scheduling.publish_due(session, parts.vault, parts.settings, slug, now)
        if done is not None:
            log.info(
                "incidents: %s: published as scheduled: statements %d, updates %d",
                slug,
                len(done.statements),
                len(done.updates),
            )
