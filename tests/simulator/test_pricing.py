"""The price list as clients find it: by filter, by attribute, as files, with the traps of the real one."""

from __future__ import annotations

import csv
import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import RunningSimulator, start

from .conformance import check_shape

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture(scope="module")
def pricing(account: RunningSimulator) -> Any:
    return boto3.client(
        "pricing",
        region_name="us-east-1",
        endpoint_url=account.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def found(pricing: Any, code: str = "AmazonSageMaker", how: str = "TERM_MATCH", **wanted: str) -> list[dict[str, Any]]:
    filters = [{"Type": how, "Field": field, "Value": value} for field, value in wanted.items()]
    pages = pricing.get_paginator("get_products").paginate(ServiceCode=code, Filters=filters)
    return [json.loads(item) for page in pages for item in page["PriceList"]]


def price(document: dict[str, Any]) -> tuple[str, float]:
    (term,) = document["terms"]["OnDemand"].values()
    (rate,) = term["priceDimensions"].values()
    return rate["unit"], float(rate["pricePerUnit"]["USD"])


def test_a_product_is_found_by_region_instance_and_component_at_the_books_price(pricing: Any) -> None:
    for region in ("us-east-1", "eu-west-1"):
        (one,) = found(pricing, regionCode=region, instanceName="ml.m5.xlarge", component="Hosting")
        assert price(one) == ("Hrs", PriceBook.bundled().hourly("ml.m5.xlarge", "Hosting", region).usd)
        has = one["product"]["attributes"]
        assert (has["instanceType"], has["vCpu"], has["memory"]) == ("ml.m5.xlarge-Hosting", "4", "16 GiB")
        assert has["usagetype"] == ("USE1" if region == "us-east-1" else "EUW1") + "-Host:ml.m5.xlarge"
        assert one["publicationDate"] == "2026-11-01T00:00:00Z"
        assert one["product"]["sku"] in next(iter(one["terms"]["OnDemand"]))


def test_without_a_component_the_traps_of_the_list_are_met(pricing: Any) -> None:
    rows = found(pricing, regionCode="us-east-1", instanceName="ml.p4d.24xlarge")
    prices = {row["product"]["attributes"].get("component"): price(row) for row in rows}
    assert prices["Cluster"] == ("Hrs", 25.91)
    assert prices["Hosting"][1] < prices["Cluster"][1]
    assert prices[None] == ("Quantity", 13.57)


def test_the_other_filters_contain_exclude_and_choose(pricing: Any) -> None:
    chosen = found(pricing, how="ANY_OF", instanceName="ml.m5.xlarge,ml.c5.xlarge", component="Hosting,Training")
    assert {row["product"]["attributes"]["instanceName"] for row in chosen} == {"ml.m5.xlarge", "ml.c5.xlarge"}
    assert {row["product"]["attributes"]["component"] for row in chosen} == {"Hosting", "Training"}
    assert len(chosen) == 2 * 2 * 4
    assert all(
        "ServerlessInf" in row["product"]["attributes"]["usagetype"]
        for row in found(pricing, how="CONTAINS", usagetype="serverlessinf")
    )
    families = {row["product"]["productFamily"] for row in found(pricing, how="NONE_OF", productFamily="ML Instance")}
    assert families == {"ML Storage", "ML Data Transfer", "ML Serverless", "ML Training Plan"}
    assert found(pricing, instanceName="ml.none") == []
    assert found(pricing, nothing="x") == []


def test_pages_are_of_a_hundred_and_hold_everything_once(pricing: Any) -> None:
    wanted = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"}]
    first = pricing.get_products(ServiceCode="AmazonSageMaker", Filters=wanted)
    check_shape("pricing", "GetProducts", first)
    assert len(first["PriceList"]) == 100
    skus = [row["product"]["sku"] for row in found(pricing, regionCode="us-east-1")]
    assert len(skus) == len(set(skus)) > 1000
    with pytest.raises(ClientError) as refused:
        pricing.get_products(ServiceCode="AmazonS3", NextToken=first["NextToken"])
    assert refused.value.response["Error"]["Code"] == "InvalidNextTokenException"


def test_services_and_attributes_tell_what_can_be_asked(pricing: Any) -> None:
    answer = pricing.describe_services()
    check_shape("pricing", "DescribeServices", answer)
    assert {"AmazonSageMaker", "AmazonS3", "AmazonCloudWatch"} <= {item["ServiceCode"] for item in answer["Services"]}
    values = pricing.get_attribute_values(ServiceCode="AmazonSageMaker", AttributeName="component")
    check_shape("pricing", "GetAttributeValues", values)
    assert {"Hosting", "studio-jupyterlab", "Cluster"} <= {item["Value"] for item in values["AttributeValues"]}
    for call, asked in (
        (pricing.describe_services, {"ServiceCode": "AmazonNothing"}),
        (pricing.get_attribute_values, {"ServiceCode": "AmazonS3", "AttributeName": "nothing"}),
        (pricing.get_products, {"ServiceCode": "AmazonNothing"}),
    ):
        with pytest.raises(ClientError) as refused:
            call(**asked)
        assert refused.value.response["Error"]["Code"] == "NotFoundException"


def test_the_files_hold_the_same_prices_as_the_api(pricing: Any) -> None:
    lists = pricing.list_price_lists(
        ServiceCode="AmazonSageMaker",
        EffectiveDate=datetime(2026, 11, 20, tzinfo=UTC),
        RegionCode="eu-west-1",
        CurrencyCode="USD",
    )
    check_shape("pricing", "ListPriceLists", lists)
    (one,) = lists["PriceLists"]
    asked = {
        form: pricing.get_price_list_file_url(PriceListArn=one["PriceListArn"], FileFormat=form)
        for form in ("json", "csv")
    }
    check_shape("pricing", "GetPriceListFileUrl", asked["json"])
    with urllib.request.urlopen(asked["json"]["Url"]) as answer:
        file = json.load(answer)
    expected = {row["product"]["sku"]: price(row)[1] for row in found(pricing, regionCode="eu-west-1")}
    in_json = {sku: price({"terms": {"OnDemand": terms}})[1] for sku, terms in file["terms"]["OnDemand"].items()}
    with urllib.request.urlopen(asked["csv"]["Url"]) as answer:
        rows = list(csv.DictReader(io.StringIO("".join(answer.read().decode().splitlines(keepends=True)[5:]))))
    assert in_json == expected
    assert {row["SKU"]: float(row["PricePerUnit"]) for row in rows} == expected
    assert set(file["products"]) == set(expected)


def test_current_files_need_no_credentials_and_unknown_ones_are_not_there(account: RunningSimulator) -> None:
    root = f"{account.url}/offers/v1.0/aws/"
    with urllib.request.urlopen(root + "AmazonSageMaker/current/us-east-1/index.json") as answer:
        assert json.load(answer)["offerCode"] == "AmazonSageMaker"
    with urllib.request.urlopen(root + "index.json") as answer:
        assert "AmazonS3" in json.load(answer)["offers"]
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(root + "AmazonSageMaker/current/mars-1/index.json")
    assert missing.value.code == 404


def test_lists_that_are_not_there_are_refused(pricing: Any) -> None:
    asked = {"ServiceCode": "AmazonS3", "EffectiveDate": datetime(2026, 11, 20, tzinfo=UTC), "CurrencyCode": "USD"}
    for wrong, code in (
        ({"CurrencyCode": "EUR"}, "InvalidParameterException"),
        ({"EffectiveDate": datetime(2019, 1, 1, tzinfo=UTC)}, "ResourceNotFoundException"),
        ({"RegionCode": "mars-1"}, "ResourceNotFoundException"),
    ):
        with pytest.raises(ClientError) as refused:
            pricing.list_price_lists(**(asked | wrong))
        assert refused.value.response["Error"]["Code"] == code
