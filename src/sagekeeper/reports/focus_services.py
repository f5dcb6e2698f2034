"""Which of FOCUS's service categories and subcategories a service of AWS belongs to.

In: the service's name as some bill writes it ("Amazon Simple Storage Service", "AmazonS3", "EC2 - Other"). Out: the
category and subcategory of FOCUS 1.2's closed lists; "Other" for what is not known here, such as a marketplace product. A
service has one of each, whatever part of it was used (FOCUS 1.2, ServiceName).
"""

from __future__ import annotations

import re

import polars as pl

CATEGORIES: tuple[str, ...] = (
    "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools",
    "Identity", "Integration", "Internet of Things", "Management and Governance", "Media", "Migration", "Mobile",
    "Multicloud", "Networking", "Other", "Security", "Storage", "Web",
)  # fmt: skip
"""FOCUS 1.2, ServiceCategory."""

SERVICES: dict[tuple[str, str], str] = {
    ("AI and Machine Learning", "Machine Learning"): (
        "SageMaker; SageMaker AI; MachineLearningSavingsPlans; Savings Plans for AWS Machine Learning; Machine Learning; "
        "Personalize; Forecast; Fraud Detector; Augmented AI; SageMaker Ground Truth; SageMaker Unified Studio"
    ),
    ("AI and Machine Learning", "Generative AI"): "Bedrock; Bedrock Service; Q; Bedrock AgentCore; Nova",
    ("AI and Machine Learning", "Bots"): "Lex; Connect Chat",
    ("AI and Machine Learning", "Natural Language Processing"): "Comprehend; Translate; Transcribe; Polly",
    ("AI and Machine Learning", "Other (AI and Machine Learning)"): "Rekognition; Textract; Kendra; HealthLake; Panorama",
    ("Analytics", "Analytics Platforms"): "Athena; Elastic MapReduce; EMR; EMR Serverless; Lake Formation; DataZone",
    ("Analytics", "Business Intelligence"): "QuickSight; Quick Suite",
    ("Analytics", "Data Processing"): "Glue; Glue DataBrew; Data Pipeline; Clean Rooms",
    ("Analytics", "Search"): "OpenSearch Service; Elasticsearch Service; ES; CloudSearch",
    ("Analytics", "Streaming Analytics"): (
        "Kinesis; Kinesis Firehose; Kinesis Analytics; Data Firehose; Managed Streaming for Apache Kafka; MSK; "
        "Managed Service for Apache Flink"
    ),
    ("Business Applications", "Productivity and Collaboration"): "WorkMail; WorkDocs; Chime; Connect; Wickr",
    ("Compute", "Virtual Machines"): (
        "Elastic Compute Cloud; Elastic Compute Cloud - Compute; EC2; EC2 - Other; EC2 Instances; Lightsail; "
        "Elastic VMware Service"
    ),
    ("Compute", "Serverless Compute"): "Lambda; App Runner; Fargate; Batch",
    ("Compute", "Containers"): (
        "Elastic Container Service; ECS; Elastic Container Service for Kubernetes; EKS; Elastic Kubernetes Service; "
        "EC2 Container Service; EC2 Container Registry (ECR); ECR; Elastic Container Registry; ECR Public; "
        "Elastic Container Registry Public; Red Hat OpenShift Service"
    ),
    ("Compute", "End User Computing"): "WorkSpaces; AppStream; AppStream 2.0; WorkSpaces Web; WorkSpaces Secure Browser",
    ("Compute", "Quantum Compute"): "Braket",
    ("Compute", "Other (Compute)"): "ComputeSavingsPlans; Savings Plans for AWS Compute usage; Outposts; Elastic Beanstalk",
    ("Databases", "Caching"): "ElastiCache; DynamoDB Accelerator (DAX); DAX; MemoryDB",
    ("Databases", "Data Warehouses"): "Redshift; Redshift Serverless",
    ("Databases", "NoSQL Databases"): "DynamoDB; DocumentDB; DocumentDB (with MongoDB compatibility); Keyspaces; Neptune; MCS",
    ("Databases", "Relational Databases"): "Relational Database Service; RDS; Aurora; Aurora DSQL; SimpleDB",
    ("Databases", "Time Series Databases"): "Timestream",
    ("Databases", "Ledger Databases"): "Quantum Ledger Database; QLDB",
    ("Developer Tools", "Continuous Integration and Deployment"): "CodeBuild; CodePipeline; CodeDeploy; CodeArtifact",
    ("Developer Tools", "Development Environments"): "Cloud9; CloudShell; CodeCatalyst",
    ("Developer Tools", "Source Code Management"): "CodeCommit",
    ("Developer Tools", "Other (Developer Tools)"): "X-Ray; Device Farm; CodeGuru; CodeWhisperer; Fault Injection Service",
    ("Identity", "Identity and Access Management"): "Directory Service; Cognito; IAM Access Analyzer; Verified Permissions",
    ("Integration", "API Management"): "API Gateway; AppSync",
    ("Integration", "Messaging"): (
        "Simple Notification Service; SNS; Simple Queue Service; SQS; Queue Service; MQ; EventBridge; CloudWatch Events; "
        "Events; Simple Email Service; SES; Pinpoint; End User Messaging; EventBridge Scheduler"
    ),
    ("Integration", "Workflow Orchestration"): (
        "Step Functions; States; Simple Workflow Service; Managed Workflows for Apache Airflow; AppFlow; MWAA"
    ),
    ("Internet of Things", "IoT Platforms"): "IoT; IoT Core; IoT Device Management; IoT Greengrass; IoT Device Defender",
    ("Internet of Things", "IoT Analytics"): "IoT Analytics; IoT SiteWise; IoT Events; IoT TwinMaker",
    ("Management and Governance", "Compliance"): "Config; Audit Manager; CloudTrail; Artifact",
    ("Management and Governance", "Cost Management"): "Cost Explorer; Budgets; CostExplorer; Billing Conductor",
    ("Management and Governance", "Observability"): (
        "CloudWatch; Managed Grafana; Managed Service for Prometheus; Grafana; Prometheus; DevOps Guru"
    ),
    ("Management and Governance", "Disaster Recovery"): "Elastic Disaster Recovery; Resilience Hub",
    ("Management and Governance", "Support"): (
        "Support (Business); Support (Developer); Support (Enterprise); Support; Premium Support; Support Enterprise; "
        "Support Business; Support Developer; SupportBusiness; SupportDeveloper; SupportEnterprise; Support Costs"
    ),
    ("Management and Governance", "Other (Management and Governance)"): (
        "Systems Manager; Service Catalog; CloudFormation; OpsWorks; Managed Services; Control Tower; AppConfig"
    ),
    ("Media", "Content Creation"): "Elemental MediaConvert; Elastic Transcoder; Elemental MediaPackage; Deadline Cloud",
    ("Media", "Gaming"): "GameLift; GameLift Servers",
    ("Media", "Media Streaming"): "Elemental MediaLive; Interactive Video Service; Kinesis Video Streams; Elemental MediaTailor",
    ("Migration", "Data Migration"): "Database Migration Service; DataSync; Transfer Family; Snowball; Import/Export; Transfer",
    ("Migration", "Resource Migration"): "Application Migration Service; Migration Hub; Migration Hub Refactor Spaces",
    ("Mobile", "Other (Mobile)"): "Mobile Analytics; Mobile Hub",
    ("Networking", "Application Networking"): "Elastic Load Balancing; ELB; App Mesh; Cloud Map; VPC Lattice",
    ("Networking", "Content Delivery"): "CloudFront; Global Accelerator",
    ("Networking", "Network Connectivity"): "Direct Connect; Transit Gateway; Cloud WAN; Client VPN",
    ("Networking", "Network Infrastructure"): "Virtual Private Cloud; VPC",
    ("Networking", "Network Routing"): "Route 53; Route53; Registrar",
    ("Networking", "Network Security"): "Network Firewall; WAF; Shield; Firewall Manager",
    ("Networking", "Other (Networking)"): "Data Transfer; DataTransfer",
    ("Security", "Secret Management"): (
        "Key Management Service; KMS; Secrets Manager; Certificate Manager; CloudHSM; Private Certificate Authority; "
        "Payment Cryptography"
    ),
    ("Security", "Security Posture Management"): "Security Hub; Inspector; Macie; Trusted Advisor",
    ("Security", "Threat Detection and Response"): "GuardDuty; Detective; Security Incident Response; Security Lake",
    ("Storage", "Backup Storage"): "Backup; Glacier; S3 Glacier; S3 Glacier Deep Archive",
    ("Storage", "Block Storage"): "Elastic Block Store; EBS",
    ("Storage", "File Storage"): "Elastic File System; EFS; FSx",
    ("Storage", "Object Storage"): "Simple Storage Service; S3; S3 Tables",
    ("Storage", "Storage Platforms"): "Storage Gateway; S3 on Outposts",
    ("Web", "Application Platforms"): "Amplify; Location Service",
}  # fmt: skip
"""(ServiceCategory, ServiceSubcategory) of FOCUS 1.2 -> names of services, without "Amazon" and "AWS"."""


def _bare(name: str) -> str:
    """A name's letters and digits, without whose it is."""
    return re.sub(r"[^a-z0-9]|amazon|aws", "", name.lower())


_BY_NAME = {_bare(name): place for place, names in SERVICES.items() for name in names.split("; ")}


def service_category(name: pl.Expr) -> pl.Expr:
    """ServiceCategory of a service's name."""
    return _found(name, {key: place[0] for key, place in _BY_NAME.items()}, "Other")


def service_subcategory(name: pl.Expr, category: pl.Expr) -> pl.Expr:
    """ServiceSubcategory of a service's name under a category that may come from elsewhere."""
    known = _found(name, {key: place[1] for key, place in _BY_NAME.items()}, None)
    other = pl.lit("Other (") + category + pl.lit(")")
    return pl.when(category == service_category(name)).then(pl.coalesce(known, other)).otherwise(other)


def _found(name: pl.Expr, by_name: dict[str, str], default: str | None) -> pl.Expr:
    bare = name.str.to_lowercase().str.replace_all("[^a-z0-9]", "").str.replace_all("amazon|aws", "")
    return bare.replace_strict(by_name, default=default, return_dtype=pl.String)
