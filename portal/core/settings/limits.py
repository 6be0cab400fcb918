"""How often a network may ask."""

from dataclasses import dataclass

from portal.core.environment import Environment


@dataclass(frozen=True)
class Limits:
    """Limits in the words of the `limits` library; an IPv6 address counts by its /64.

    A mobile carrier's customers share few IPv4 addresses, so the forms' limits per network are wide.
    """

    intake_ip: str = "600 per hour"
    check_ip: str = intake_ip
    reset_ip: str = intake_ip
    subscribe_ip: str = intake_ip
    is_it_real_ip: str = intake_ip
    cases_ip: str = intake_ip
    intake_global: str = ""  # none: as fast as the worker's cores allow
    sign_in_ip: str = "100 per hour"

    @classmethod
    def read(cls, environment: Environment) -> "Limits":
        """Read this group; faults are collected."""
        intake_ip = environment.rate("RATE_INTAKE_IP", cls.intake_ip)
        return cls(
            intake_ip=intake_ip,
            check_ip=environment.rate("RATE_CHECK_IP", intake_ip),
            reset_ip=environment.rate("RATE_RESET_IP", intake_ip),
            subscribe_ip=environment.rate("RATE_SUBSCRIBE_IP", intake_ip),
            is_it_real_ip=environment.rate("RATE_IS_IT_REAL_IP", intake_ip),
            cases_ip=environment.rate("RATE_CASES_IP", intake_ip),
            intake_global=environment.rate("RATE_INTAKE_GLOBAL", cls.intake_global),
            sign_in_ip=environment.rate("RATE_SIGN_IN_IP", cls.sign_in_ip),
        )

    def of_form(self, purpose: str) -> str:
        """Return the limit per network of the form with this purpose."""
        own = {
            "check": self.check_ip,
            "reset": self.reset_ip,
            "subscribe": self.subscribe_ip,
            "is-it-real": self.is_it_real_ip,
            "cases": self.cases_ip,
        }
        return own.get(purpose, self.intake_ip)
