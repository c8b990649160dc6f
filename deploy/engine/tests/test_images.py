"""Which images are stood in for, read from what names them."""

from pathlib import Path

from compose import services
from container_engine.images import Recipe, pinned_images, recipe_of


def test_images_are_those_that_compose_and_the_dockerfiles_name(tmp_path: Path) -> None:
    (tmp_path / "services" / "one").mkdir(parents=True)
    (tmp_path / "docker-compose.yml").write_text(
        "x-ours: &ours {image: ours, build: {context: .}}\n"
        "services:\n"
        "  broker: {image: 'apache/kafka:9.9'}\n"
        "  watched: {image: 'watch/er:1', profiles: [more]}\n"
        "  ours: {<<: *ours}\n"
    )
    (tmp_path / "services" / "one" / "Dockerfile").write_text(
        "# FROM nothing:1\nFROM python:3.99 AS build\nRUN x\nFROM build AS more\nFROM slim:2\n"
    )
    assert pinned_images(tmp_path) == ["apache/kafka:9.9", "python:3.99", "slim:2", "watch/er:1"]


def test_all_images_of_the_project_are_known() -> None:
    composed = {one["image"] for one in services().values() if "build" not in one}
    (base,) = set(pinned_images()) - composed
    assert base.startswith("python:")


def test_a_recipe_is_named_like_its_image(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    for image in ("kafka", "apache/kafka:4.1.0", "host:5000/apache/kafka:4@sha256:abc"):
        assert recipe_of(image, tmp_path) == Recipe(image, tmp_path / "kafka")
    assert recipe_of("kafka/other:1", tmp_path) is None


def test_a_stand_in_has_the_version_that_it_stands_in_for() -> None:
    found = {recipe.folder.name: recipe for recipe in map(recipe_of, pinned_images()) if recipe}
    assert found.keys() == {"kafka", "postgres", "prometheus", "python"}
    tag = {name: recipe.image.partition(":")[2] for name, recipe in found.items()}
    assert found["postgres"].packages == [f"postgresql-{tag['postgres'].partition('.')[0]}"]
    minor = ".".join(tag["python"].split(".")[:2])
    assert f"/usr/lib/python{minor}/" in (found["python"].folder / "Dockerfile").read_text()
    assert tag["python"].endswith(found["python"].suite)


def test_another_recipe_has_another_key(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    recipe = Recipe("a:1", tmp_path)
    keys = {recipe.key(), recipe.key("jars 2"), Recipe("a:2", tmp_path).key()}
    assert recipe.key() in keys
    (tmp_path / "Dockerfile").write_text("FROM scratch\nUSER 1\n")
    keys.add(recipe.key())
    assert len(keys) == 4
