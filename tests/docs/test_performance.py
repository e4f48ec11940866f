"""What the model of the time to ready promises."""

from dataclasses import replace

import pytest

from scripts.dev.docs.performance import FACTS, ready, settings_of_templates


def test_the_models_settings_are_those_of_the_template_set() -> None:
    settings = settings_of_templates()
    assert (settings.interval, settings.healthy_threshold, settings.deregistration_delay) == (5, 2, 5)


def test_the_benchmarks_image_takes_the_benchmarks_time() -> None:
    steps = ready(settings_of_templates(), loader_mb=0, editor_mb=FACTS["benchmark_image"].value)
    assert steps.placement + steps.pull == pytest.approx(FACTS["benchmark_start"].value)


def test_soci_saves_its_share_of_a_tasks_start_and_never_more_than_the_pull() -> None:
    settings = settings_of_templates()
    plain = ready(settings, loader_mb=0, editor_mb=800)
    indexed = ready(settings, loader_mb=0, editor_mb=800, saved=0.5)
    assert indexed.placement + indexed.pull == pytest.approx(0.5 * (plain.placement + plain.pull))
    assert ready(settings, loader_mb=0, editor_mb=10, saved=0.9).pull == 0


def test_a_larger_loader_adds_its_full_pull_whatever_soci_saves() -> None:
    settings = settings_of_templates()
    alone = ready(settings, loader_mb=150, editor_mb=0).pull
    for saved in (0.0, 0.3, 0.6):
        without = ready(settings, loader_mb=0, editor_mb=250, saved=saved)
        with_loader = ready(settings, loader_mb=150, editor_mb=250, saved=saved)
        assert with_loader.usable - without.usable == pytest.approx(alone)


def test_the_projects_image_is_ready_within_45_seconds_with_soci() -> None:
    saved = FACTS["soci_saves_cautiously"].value
    assert FACTS["image"].value <= 350
    assert FACTS["code_server"].value <= 3
    assert ready(settings_of_templates(), editor_mb=FACTS["image"].value, saved=saved).usable <= 45


def test_a_record_of_its_own_is_waited_for_beside_the_task() -> None:
    settings = settings_of_templates()
    small = ready(settings, loader_mb=50, editor_mb=50, wildcard=False)
    assert small.usable == pytest.approx(FACTS["terraform"].value + FACTS["record"].value)
    large = ready(settings, loader_mb=50, editor_mb=4000)
    assert ready(settings, loader_mb=50, editor_mb=4000, wildcard=False).usable == large.usable


def test_a_longer_interval_makes_every_interview_later() -> None:
    settings = settings_of_templates()
    longer = replace(settings, interval=30.0)
    first, second = (ready(one, loader_mb=150, editor_mb=250).usable for one in (settings, longer))
    assert second - first == pytest.approx(25)


def test_each_number_has_a_page_or_says_that_it_is_measured_or_assumed() -> None:
    for name, fact in FACTS.items():
        assert fact.url.startswith("https://") or fact.source.startswith(("measured", "assumed")), name
