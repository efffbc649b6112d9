"""What the owner does next."""

from __future__ import annotations

from sprawl.schema_registry.serving.course import Course, Step
from sprawl.schema_registry.serving.topic import Piece, Place, Standing

LEADS = Standing(Place.LEADS, 1, term=4)
FOLLOWS = Standing(Place.FOLLOWS, 1, term=4)


def step(course: Course, standing: Standing, *, has_write: bool = False) -> Step:
    course.look(standing)
    return course.next_step(standing, has_write=has_write)


def read_to_end(course: Course, standing: Standing, end_offset: int = 7) -> None:
    assert step(course, standing, has_write=True) is Step.TAKE_IN
    course.took(Piece((), end_offset))
    assert step(course, standing, has_write=True) is Step.TAKE_IN
    course.took(Piece((), end_offset))


def published(standing: Standing) -> Course:
    course = Course()
    read_to_end(course, standing)
    assert step(course, standing) is Step.PUBLISH
    course.published()
    return course


def test_a_leader_reads_to_the_end_then_fences_then_reads_again_then_judges() -> None:
    course = published(LEADS)
    assert step(course, LEADS) is Step.WAIT
    assert step(course, LEADS, has_write=True) is Step.FENCE
    course.fenced(4)
    read_to_end(course, LEADS, 8)
    assert step(course, LEADS, has_write=True) is Step.JUDGE


def test_each_term_is_fenced_once() -> None:
    course = published(LEADS)
    course.fenced(4)
    read_to_end(course, LEADS, 8)
    assert step(course, LEADS._replace(term=5), has_write=True) is Step.FENCE


def test_a_follower_sends_writes_on_and_waits_while_nobody_is_known() -> None:
    course = published(FOLLOWS)
    assert step(course, FOLLOWS, has_write=True) is Step.WAIT
    assert step(course, FOLLOWS._replace(leader_url="http://b"), has_write=True) is Step.SEND_ON


def test_a_replica_that_is_not_current_is_not_published() -> None:
    course = Course()
    filled = FOLLOWS._replace(is_current=False)
    read_to_end(course, filled)
    assert step(course, filled) is Step.WAIT
    assert step(course, FOLLOWS) is Step.PUBLISH


def test_another_incarnation_is_read_from_the_start() -> None:
    course = published(LEADS)
    assert not course.look(LEADS)
    assert course.look(LEADS._replace(incarnation=2))
    assert course.position is None
    assert not course.is_read


def test_a_replica_that_is_being_opened_goes_on_when_it_is_the_same() -> None:
    course = published(LEADS)
    assert not course.look(Standing(Place.OPENING))
    assert course.next_step(Standing(Place.OPENING), has_write=True) is Step.WAIT
    assert not course.look(LEADS)
    assert course.position == 7


def test_a_replica_that_was_away_begins_anew() -> None:
    course = published(LEADS)
    assert course.look(Standing(Place.ELSEWHERE))
    assert course.look(LEADS)
    assert course.position is None


def test_a_topic_that_does_not_exist_is_empty_until_something_is_written() -> None:
    course = Course()
    missing = Standing(Place.MISSING, 1)
    assert step(course, missing) is Step.PUBLISH
    course.published()
    assert step(course, missing) is Step.WAIT
    assert step(course, missing, has_write=True) is Step.CREATE
    assert course.look(LEADS._replace(incarnation=2))
