"""Balls in a box: how they move, not how they look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GRAVITY: Final = 260.0
"""Pixels per second, per second."""
FASTEST: Final = 520.0
LIVELY: Final = 330.0
"""Speed that a ball leaves the floor with at least: they never come to rest."""
BOUNCE: Final = 0.96
_STEP: Final = 1 / 60
"""Seconds; longer times are gone through in steps like this one."""


@dataclass(eq=False)
class Ball:
    """A disc; place of its middle, and pixels per second."""

    x: float
    y: float
    radius: float
    dx: float
    dy: float

    def limit(self) -> None:
        """Keep it from being too fast."""
        speed = math.hypot(self.dx, self.dy)
        if speed > FASTEST:
            self.dx *= FASTEST / speed
            self.dy *= FASTEST / speed


class Balls:
    """Balls that fall, bounce, and push each other.

    Args:
        width: Of their box.
        height: Of their box.
        balls: What is in it.
    """

    def __init__(self, width: float, height: float, balls: Sequence[Ball]) -> None:
        self.width = width
        self.height = height
        self.balls = balls

    def advance(self, seconds: float) -> None:
        """Let time pass; no more than a tenth of a second does."""
        steps = max(math.ceil(min(seconds, 0.1) / _STEP), 1)
        for _ in range(steps):
            self._step(min(seconds, 0.1) / steps)

    def kick(self, x: float, y: float, strength: float = 420.0) -> int:
        """Push away the balls around a place; return how many were near enough."""
        reach = max(self.width, self.height) / 2
        near = 0
        for ball in self.balls:
            away_x, away_y = ball.x - x, ball.y - y
            distance = max(math.hypot(away_x, away_y), 1.0)
            if distance < reach:
                push = strength * (1 - distance / reach)
                ball.dx += away_x / distance * push
                ball.dy += away_y / distance * push
                ball.limit()
                near += 1
        return near

    def _step(self, seconds: float) -> None:
        for ball in self.balls:
            ball.dy += GRAVITY * seconds
            ball.x += ball.dx * seconds
            ball.y += ball.dy * seconds
            self._bounce(ball)
        for number, ball in enumerate(self.balls):
            for other in self.balls[:number]:
                _collide(ball, other)
        for ball in self.balls:  # nothing may have been pushed through a wall
            ball.x = min(max(ball.x, ball.radius), self.width - ball.radius)
            ball.y = min(max(ball.y, ball.radius), self.height - ball.radius)

    def _bounce(self, ball: Ball) -> None:
        if ball.x < ball.radius:
            ball.x, ball.dx = ball.radius, abs(ball.dx)
        elif ball.x > self.width - ball.radius:
            ball.x, ball.dx = self.width - ball.radius, -abs(ball.dx)
        if ball.y < ball.radius:
            ball.y, ball.dy = ball.radius, abs(ball.dy) * BOUNCE
        elif ball.y > self.height - ball.radius:
            room = max(self.height - 2.4 * ball.radius, 0.0)
            lively = min(LIVELY, math.sqrt(2 * GRAVITY * room * 0.75))
            ball.y, ball.dy = self.height - ball.radius, -max(abs(ball.dy) * BOUNCE, lively)
            ball.dx = math.copysign(max(abs(ball.dx), 40.0), ball.dx)


def _collide(one: Ball, other: Ball) -> None:
    """Let two balls that overlap push each other apart, without loss; their masses are as their areas."""
    dx, dy = one.x - other.x, one.y - other.y
    distance = math.hypot(dx, dy)
    overlap = one.radius + other.radius - distance
    if overlap <= 0:
        return
    if distance:
        nx, ny = dx / distance, dy / distance
    else:
        nx, ny = 0.0, -1.0
    mass, other_mass = one.radius**2, other.radius**2
    share = other_mass / (mass + other_mass)
    one.x, one.y = one.x + nx * overlap * share, one.y + ny * overlap * share
    other.x, other.y = other.x - nx * overlap * (1 - share), other.y - ny * overlap * (1 - share)
    closing = (one.dx - other.dx) * nx + (one.dy - other.dy) * ny
    if closing < 0:
        one.dx, one.dy = one.dx - 2 * share * closing * nx, one.dy - 2 * share * closing * ny
        other.dx += 2 * (1 - share) * closing * nx
        other.dy += 2 * (1 - share) * closing * ny
        one.limit()
        other.limit()
